"""Rows that the window cuts off: a model trained on them learns to stop in mid-sentence, or never sees the end."""

from spice_select.diagnosis.suspects.base import Evidence, Found, Suspect
from spice_select.progress import Advance


class CutRows:
    """Rows of which the window (`--max-length`) leaves some tokens out."""

    name = "cut"
    summary = "rows that are longer than the window, so that their end is cut off"
    needs = ()

    def find(self, evidence: Evidence, advance: Advance) -> Found:
        """Score: the share of its tokens that is cut off."""
        advance(len(evidence))
        return Found(
            suspects=[
                Suspect(
                    row=example.row,
                    kind=self.name,
                    score=example.truncated / (example.truncated + example.num_tokens),
                    reason=f"{example.truncated:,} tokens of {example.truncated + example.num_tokens:,} are cut off",
                )
                for example in evidence.examples
                if example.truncated > 0
            ]
        )
