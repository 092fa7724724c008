"""Which formats are read and written, as data: `physiolect inspect --formats` and docs/formats.md show it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Support:
    """What is done with one format."""

    name: str
    files: tuple[str, ...]
    """Extensions, in small letters."""
    read: str
    """What is read."""
    kept: str = "–"
    """What is kept beside the samples, with their rate, channels and units."""
    written: bool = False
    tested_against: str = "–"
    """Other software whose samples ours equal in the tests."""
    extra: str = ""
    """Extra of Physiolect that it needs."""


SUPPORT: tuple[Support, ...] = (
    Support("text table", (".csv", ".tsv", ".txt"), "with or without header, times and units", written=True),
    Support("compressed text table", (".gz", ".bz2", ".xz", ".zip"), "as a text table; of a ZIP, one table"),
    Support("Parquet, Feather", (".parquet", ".pq", ".feather"), "columns of numbers, times and units"),
    Support("Excel", (".xlsx",), "sheets of numbers", tested_against="openpyxl", extra="tables"),
    Support("NumPy", (".npy",), "real numbers", tested_against="numpy"),
    Support("NumPy archive", (".npz",), "ours exactly; else one array", "annotations", True, "numpy"),
    Support("MATLAB", (".mat",), "versions 4, 5 and 7.3", tested_against="scipy, h5py"),
    Support("HDF5", (".h5", ".hdf5"), "arrays with their axes as stored", tested_against="h5py"),
    Support("WFDB", (".hea", ".dat"), "one segment or many", "annotations", True, "wfdb"),
    Support("EDF, BDF", (".edf", ".bdf"), "EDF, EDF+, BDF, BDF+; gaps as NaN", "annotations", True, "pyedflib"),
    Support(
        "DICOM waveform", (".dcm",), "rhythm groups; not median beats", "annotations, statements, measurements",
        True, "pydicom", "hospital",
    ),
    Support(
        "HL7 aECG", (".xml",), "rhythm series; not representative beats", "statements, measurements", True
    ),
    Support("GE MUSE", (".xml",), "rhythm with derived limb leads", "QRS times, statements, measurements"),
    Support(
        "Philips Sierra", (".xml",), "rhythm, plain or compressed", "statements, measurements",
        tested_against="sierraecg",
    ),
    Support("SCP-ECG", (".scp",), "rhythm, plain or Huffman coded; not bimodal", "RR and PP interval, report"),
    Support("ISHNE Holter", (".ecg",), "all leads, a stretch at a time", "beats of the .ann file"),
    Support("Contec ECG90A", (".ecg",), "twelve leads of the eight stored ones"),
    Support("MFER", (".mwf",), "uncompressed frames without offsets"),
    Support(
        "AcqKnowledge", (".acq",), "plain and compressed", "event markers",
        tested_against="bioread", extra="research",
    ),
    Support(
        "BrainVision, iEEG-BIDS", (".vhdr",), "binary samples in time; channels.tsv and events.tsv beside them",
        "markers, events", tested_against="numpy",
    ),
    Support(
        "NWB", (".nwb",), "one electrical series, or spikes of units counted in bins; behaviour beside them",
        "trials", tested_against="pynwb",
    ),
    Support("XDF", (".xdf",), "streams of numbers; gaps as NaN", "streams of text", tested_against="pyxdf"),
)  # fmt: skip
"""Every format, in the order of docs/formats.md."""


def support_table() -> list[dict[str, str]]:
    """Return the formats as rows of text, a column a key."""
    return [
        {
            "format": each.name,
            "files": " ".join(each.files),
            "read": each.read,
            "kept": each.kept,
            "written": "yes" if each.written else "no",
            "tested against": each.tested_against,
            "needs": f"physiolect[{each.extra}]" if each.extra else "–",
        }
        for each in SUPPORT
    ]
