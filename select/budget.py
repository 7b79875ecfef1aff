"""How much a selector may choose: documents, tokens, or a share of the pool."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from curate.settings import Share, parse_size

Count = Annotated[int, BeforeValidator(parse_size), Field(ge=0)]


class Budget(BaseModel):
    """One of three limits. The best are taken as long as the limit holds, so that a smaller budget is a subset."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    documents: Count | None = Field(None, description="so many documents")
    tokens: Count | None = Field(None, description="documents of so many tokens together: `2G` is two billion")
    share: Share | None = Field(None, description="a share of the documents that have a score, as `10%`")

    @model_validator(mode="before")
    @classmethod
    def _limit(cls, value: Any) -> Any:
        if isinstance(value, str | int | float):
            raise ValueError(
                f"write what it limits: {{share: {value}}}, {{documents: 1000}} or {{tokens: 2M}}, got {value!r}"
            )
        return value

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("write one of documents, tokens, share")
        return self

    def sql(self, struct: str) -> str:
        """The rule over the signals of a selector's struct that keeps the chosen ones."""
        if self.documents is not None:
            return f"{struct}.rank <= {self.documents}"
        if self.tokens is not None:
            return f"{struct}.tokens <= {self.tokens}"
        return f"{struct}.share <= {self.share:.9g}"
