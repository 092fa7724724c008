"""Made recordings whose truth is known: ECG and PPG, cohorts of them on disk, and ECoG of reaches."""

from physiolect.synthetic.heart import Rhythm, ecg, ppg, write_cohort
from physiolect.synthetic.reaches import ecog_reaches

__all__ = ["Rhythm", "ecg", "ecog_reaches", "ppg", "write_cohort"]
