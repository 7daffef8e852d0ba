"""How a model is opened, and what opening it may do: declared once for every verb that opens one."""

from typing import Any, Literal

from pydantic import Field

from spice_select.settings.base import Group


class Opening(Group):
    """Where models are opened, in which precision, and what that may do."""

    device: str = Field("auto", description="`auto`, `cpu`, `cuda`, `cuda:1`, `mps`.")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="Precision of the model; `auto` is bfloat16 on a GPU that multiplies it, else float32.",
    )
    allow_network: bool = Field(False, description="May reach the Hugging Face hub for the model or the data.")
    allow_pickle: bool = Field(False, description="May load pickled weights (they can run code when loaded).")
    trust_remote_code: bool = Field(False, description="May run Python code that comes with the model.")

    def keywords(self) -> dict[str, Any]:
        """What finding a model, its tokenizer or its family may do, as `spice_select.models` calls it.

        Pickles, device and precision are not among them: only weights have these, and not every reader reads weights.
        """
        return {"allow_network": self.allow_network, "trust_remote_code": self.trust_remote_code}


class _Revision(Group):
    model_revision: str | None = Field(None, description="Revision of a hub model.")


class ModelAccess(Opening, _Revision):
    """How one model is opened: which revision of it, where, in which precision, and what that may do."""

    def keywords(self) -> dict[str, Any]:
        """As `Opening.keywords`, with the revision."""
        return {**super().keywords(), "revision": self.model_revision}

    def alone(self) -> dict[str, Any]:
        """These settings alone, without those that a subclass adds, JSON-ready."""
        return self.model_dump(mode="json", include=set(ModelAccess.model_fields))
