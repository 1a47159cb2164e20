"""What the models of a configuration share: strict, frozen, numbers that are numbers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from mishran.config_errors import FieldProblem


def _not_boolean(value: Any) -> Any:
    """YAML reads yes, no, on and off as booleans, and Python counts those as 1 and 0."""
    if isinstance(value, bool):
        raise FieldProblem("a number", str(value).lower(), "write a number")
    return value


Number = Annotated[float, BeforeValidator(_not_boolean)]
Whole = Annotated[int, BeforeValidator(_not_boolean)]
Share = Annotated[Number, Field(ge=0, le=1)]
Positive = Annotated[Number, Field(gt=0)]
Sized = Annotated[Number, Field(ge=-1e12, le=1e12)]  # beyond, rounding is all that is left


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def default_learning_rate(kind: str, hidden_size: int) -> float:
    """5e-4 (2000 / hidden size)^0.781 for adapters, a tenth of it for all parameters.

    Source: Schulman et al., "LoRA Without Regret", 2025: ten times the rate of full fine-tuning,
    independent of rank at alpha = 32, exponent fitted on the Llama family.
    """
    rate = 5e-4 * (2000 / hidden_size) ** 0.781
    lora = float(f"{rate:.3g}")
    return lora if kind == "lora" else float(f"{lora / 10:.3g}")
