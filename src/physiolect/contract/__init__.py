"""What a model accepts, and how a recording is made to fit it."""

from physiolect.contract.adapt import adapt, check_adaptable, split_at_gaps
from physiolect.contract.channels import select_channels
from physiolect.contract.contract import ANY_CHANNEL, CONTRACTS, InputContract
from physiolect.contract.features import features_of, with_features
from physiolect.contract.leads import arrange_leads, available_leads, name_lead
from physiolect.contract.quality import Remark, quality_remarks
from physiolect.contract.report import AdaptationReport

__all__ = [
    "ANY_CHANNEL",
    "CONTRACTS",
    "AdaptationReport",
    "InputContract",
    "Remark",
    "adapt",
    "arrange_leads",
    "available_leads",
    "check_adaptable",
    "features_of",
    "name_lead",
    "quality_remarks",
    "select_channels",
    "split_at_gaps",
    "with_features",
]
