"""`mixture:` of a configuration: the energy, its bounds and the budget."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from mishran.config_errors import FieldProblem, shown
from mishran.config_fields import Number, Positive, Settings, Share, Sized, Whole
from mishran.places import check_name

ENERGY = "taskpgm"  # the method whose parameters are fields here; others have theirs in their name
OF_ENERGY = ("t", "effective_tasks", "side", "unary", "ridge", "repair", "solution", "max_tasks")
OF_ENERGY += ("min_tasks", "least_share", "robust", "kappa")
DEFAULT = (
    "curves:pool=0.5"  # for a budget: the only one that beat uniform, docs/results/does-it-help.md
)


class UnaryConfig(Settings):
    """The linear term of the energy.

    coverage: (t/n) S 1. target: strength times the mean similarity to the target tasks. utility:
    strength times the gain (base minus specialist nats per answer token) on the target tasks, by
    default on each task's own probes. given: strength times values, a number per task.
    """

    kind: Literal["coverage", "target", "utility", "given"] = "coverage"
    targets: tuple[str, ...] = ()
    values: dict[str, Sized] | None = None
    strength: Sized = 1.0

    @model_validator(mode="after")
    def _needs(self) -> UnaryConfig:
        used = {
            "coverage": (),
            "target": ("targets", "strength"),
            "utility": ("targets", "strength"),
            "given": ("values", "strength"),
        }[self.kind]
        usual = {"targets": (), "values": None, "strength": 1.0}
        given = (field for field, value in usual.items() if getattr(self, field) != value)
        idle = next((field for field in given if field not in used), None)
        if idle is not None:
            fix = "remove it, or give kind: target, utility or given"
            raise FieldProblem(f"nothing that the unary {self.kind} does not use", idle, fix)
        if self.kind == "target" and not self.targets:
            raise FieldProblem("targets for the unary target", "none", "add targets: [task, ...]")
        if self.kind == "given" and not self.values:
            raise FieldProblem(
                "values for the unary given", "none", "add values: {task: number, ...}"
            )
        return self


class BudgetConfig(Settings):
    """Size of the training set: rows or tokens, one of them."""

    rows: Annotated[Whole, Field(ge=1, le=10**15)] | None = None
    tokens: Annotated[Whole, Field(ge=1, le=10**15)] | None = None

    @model_validator(mode="after")
    def _one(self) -> BudgetConfig:
        if (self.rows is None) == (self.tokens is None):
            found = "neither" if self.rows is None else "both"
            raise FieldProblem("rows or tokens", found, "give one of them, for example rows: 25000")
        return self


def _check_order(low: float | None, high: float | None) -> None:
    if low is None and high is None:
        raise FieldProblem("min, max or both", "neither", "add min: ... or max: ...")
    if low is not None and high is not None and low > high:
        raise FieldProblem(
            "a min that is at most max",
            f"min {low:g} and max {high:g}",
            "write the smaller one as min",
        )


class QuotaConfig(Settings):
    """A bound on a group, in its unit: the group's share of the tokens of the mixture.

    unit: tokens. min, max: smallest and largest share.
    """

    unit: Literal["tokens"]
    min: Share | None = None
    max: Share | None = None

    @model_validator(mode="after")
    def _order(self) -> Self:
        _check_order(self.min, self.max)
        return self


class LimitConfig(Settings):
    """min <= sum of values times shares <= max, in any unit.

    values: a number per task, 0 for tasks that are left out; or tokens, the mean tokens per row.
    """

    values: dict[str, Sized] | Literal["tokens"]
    min: Sized | None = None
    max: Sized | None = None

    @model_validator(mode="after")
    def _order(self) -> Self:
        _check_order(self.min, self.max)
        return self

    @field_validator("values", mode="before")
    @classmethod
    def _known(cls, values: Any) -> Any:
        if values == "tokens" or (isinstance(values, dict) and values):
            return values
        found = "an empty mapping" if values == {} else shown(values)
        raise FieldProblem(
            "a number per task, or tokens", found, "write {task: number, ...} or tokens"
        )


Count = Annotated[Whole, Field(ge=1, le=10**6)]


class MixtureConfig(Settings):
    """How measurements become a mixture.

    method: taskpgm, or any other of docs/guide/methods.md with its parameters, "curves:floor=0.3". By
    default taskpgm; in a `FitConfig` that names a budget and neither affinity nor a field of the energy,
    and whose specialists have learning curves, curves:pool=0.5.
    affinity: jsd, pmi (= pmi-mean), pmi-sum, pmi-base, gradient-kernel, -cosine or -centred (of the
    base alone, no substitute for the others), or the path of a CSV matrix. t: the one dial
    of coverage; 1 is uniform, 0 least redundant. effective_tasks: a wished number of effective
    tasks instead of t, on the side t < 1 ("diverse") or t > 1 ("central"). floors, caps: smallest
    and largest share of a group or task. quotas: the same of a group's tokens. limits: bounds on any
    weighted sum of the shares. max_epochs: no task is repeated more often in the budget.
    max_tasks: at most so many tasks get a share; min_tasks: group -> at least so many of its tasks
    are among them; least_share: what each of them gets at least. robust: least regret over the
    replicas instead of least energy, worst or mean-variance (mean + kappa standard deviations).
    ridge: pull towards uniform, in units of the energy's scale D; recorded. repair: what to do with
    an affinity that is not positive semi-definite on the tangent. solution: exact, or the paper's
    closed form with clip or projection, for comparison. replicas: bootstrap replicas over probes
    for the intervals, at least 20; 0 turns them off.
    """

    method: str = ENERGY
    affinity: str = "jsd"
    t: Annotated[Number, Field(ge=0, le=1e6)] | None = None
    effective_tasks: Positive | None = None
    side: Literal["diverse", "central"] = "diverse"
    unary: UnaryConfig = UnaryConfig()
    floors: dict[str, Share] = Field(default_factory=dict)
    caps: dict[str, Share] = Field(default_factory=dict)
    quotas: dict[str, QuotaConfig] = Field(default_factory=dict)
    limits: dict[str, LimitConfig] = Field(default_factory=dict)
    ridge: Annotated[Number, Field(ge=0, le=1e6)] = 0.0
    repair: Literal["shift", "nearest", "refuse"] = "shift"
    solution: Literal["exact", "paper-clip", "paper-project"] = "exact"
    budget: BudgetConfig | None = None
    max_epochs: Positive | None = None
    max_tasks: Count | None = None
    min_tasks: dict[str, Count] = Field(default_factory=dict)
    least_share: Share = 0.0
    robust: Literal["mean-variance", "worst"] | None = None
    kappa: Annotated[Number, Field(ge=0, le=1e6)] = 1.0
    replicas: Annotated[Whole, Field(ge=0, le=100_000)] = 200

    @field_validator("replicas")
    @classmethod
    def _enough(cls, replicas: int) -> int:
        if 0 < replicas < 20:  # of fewer, a 95 % interval is hardly more than their range
            raise FieldProblem("at least 20 replicas, or 0", str(replicas), "the default is 200")
        return replicas

    @field_validator("affinity")
    @classmethod
    def _alias(cls, affinity: str) -> str:
        return "pmi-mean" if affinity == "pmi" else affinity

    @field_validator("limits")
    @classmethod
    def _named(cls, limits: dict[str, LimitConfig]) -> dict[str, LimitConfig]:
        for name in limits:
            check_name(name)
        return limits

    @model_validator(mode="after")
    def _one_method(self) -> MixtureConfig:
        fields = type(self).model_fields
        given = (
            name
            for name in OF_ENERGY
            if getattr(self, name) != fields[name].get_default(call_default_factory=True)
        )
        idle = None if self.method == ENERGY else next(given, None)
        if idle is not None:
            raise FieldProblem(
                f"no {idle} beside another method than taskpgm, whose own parameters are in its name",
                f"method: {self.method}",
                f"remove {idle}, or write method: taskpgm",
            )
        return self

    @model_validator(mode="after")
    def _dials(self) -> MixtureConfig:
        if self.t is not None and self.effective_tasks is not None:
            raise FieldProblem("t or effective_tasks", "both", "remove one of them")
        if self.unary.kind != "coverage" and (
            self.t is not None or self.effective_tasks is not None
        ):
            dial = "t" if self.t is not None else "effective_tasks"
            raise FieldProblem(
                "t and effective_tasks only with the unary coverage",
                f"{dial} with the unary {self.unary.kind}",
                f"remove {dial} (unary.strength is the dial there)",
            )
        if self.side != "diverse" and self.effective_tasks is None:
            raise FieldProblem(
                "effective_tasks beside side, which chooses between its two solutions",
                "side alone",
                "add effective_tasks: 12, say, or write t: 1.5 for central tasks",
            )
        return self

    @model_validator(mode="after")
    def _choice(self) -> MixtureConfig:
        if self.max_tasks is None and (self.min_tasks or self.least_share):
            field = "min_tasks" if self.min_tasks else "least_share"
            raise FieldProblem(f"max_tasks beside {field}", "none", "add max_tasks: 12, say")
        if self.robust != "mean-variance" and self.kappa != 1.0:
            raise FieldProblem(
                "robust: mean-variance beside kappa",
                self.robust or "none",
                "write it, or remove kappa",
            )
        if self.robust is not None and self.replicas == 0:
            raise FieldProblem("replicas beside robust", "replicas: 0", "write replicas: 200")
        both = {"max_tasks": self.max_tasks, "robust": self.robust}
        idle = next((field for field, value in both.items() if value is not None), None)
        if self.solution != "exact" and idle is not None:
            raise FieldProblem(
                f"solution: exact beside {idle}", self.solution, f"remove {idle} or the solution"
            )
        return self

    @property
    def resolved_t(self) -> float:
        """t, 1 unless given: uniform within the bounds. No other t was better where that was measured
        (docs/results/does-it-help.md)."""
        return 1.0 if self.t is None else self.t
