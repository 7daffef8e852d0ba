"""How rows are read and shown to a model: the settings."""

from pydantic import Field

from spice_select.data.formats import FORMATS, MARKED, PREFERENCE
from spice_select.settings.base import Group


class DataSettings(Group):
    """How rows are read and shown to the model."""

    format: str | None = Field(
        None,
        description=f"Row format: {', '.join((*FORMATS.names, PREFERENCE.name, MARKED.name))}. Detected and shown if "
        "not given.",
    )
    keep_contradictions: bool = Field(
        False,
        description="With preference pairs: keep pairs that prefer what an earlier pair of the same prompt rejects; "
        "with answers marked good or bad, those that an earlier row marks the other way. Default: the first is kept, "
        "the others are dropped (`contradicting-pairs`, `contradicting-marks`).",
    )
    max_length: int = Field(
        1024, ge=2, description="Longest example in tokens; what goes beyond is cut off and counted."
    )
    split: str | None = Field(
        None,
        description="Which split to read, `all` for every one; of a folder of files by the names of files and folders "
        "(`train-00000-of-00002.parquet`, `train/`). Default: `train` where splits are named.",
    )
    subset: str | None = Field(
        None, description="Configuration of a hub data set; in a folder of files, the folder that holds it."
    )
    revision: str | None = Field(None, description="Revision of a hub data set; in the hub's cache, the snapshot.")
