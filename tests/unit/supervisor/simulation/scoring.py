"""The score: each trouble said once, in its time, and nothing else said."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from openbell.supervisor.model.records import Fault
from openbell.supervisor.store.store import Store
from tests.unit.supervisor.simulation.observed import Alarm, Record
from tests.unit.supervisor.simulation.truth import CALENDAR_RAN_OUT, Key, Trouble, Truth

SLACK = timedelta(seconds=8)  # between the truth and the look after it
SLACKS = {  # what is looked at more rarely, or cannot be known at once
    "volume_full": timedelta(seconds=40),
    "slower": timedelta(days=40),
    "not_written": timedelta(seconds=75),
}
LOGGED = {"missed", "failed", "timed_out", "interrupted", "stale_data", "unexpected_run", "cannot_start", "crash_loop"}
LONGEST_DELAY = timedelta(days=4)  # between a slot and the end of a run of it that hangs
UNPROVEN = {"stream_ended"}  # logged at each end of a stream's run
SAME = {"timed_out": "hung"}  # what is logged of a run that hung, when it ends behind good ones at last
PATIENCE = timedelta(seconds=45)  # after an absence, loops get their time to beat
Span = tuple[datetime, datetime]


@dataclass
class Score:
    """What a history came to."""

    seed: int = 0
    seconds: float = 0
    slots: int = 0
    steps: int = 0
    injected: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)  # troubles that were said, by kind
    unseen: int = 0  # troubles that came and went while the supervisor was down
    logged: int = 0  # entries in the log of faults
    outcomes: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)  # troubles that were not said
    false: list[str] = field(default_factory=list)  # what was said without a trouble, or said twice
    wrong_slots: list[str] = field(default_factory=list)

    @property
    def precision(self) -> float:
        """Of what was said, which part was true."""
        right = self.found.total()
        return right / (right + len(self.false)) if right else 0.0

    @property
    def recall(self) -> float:
        """Of what was wrong, which part was said."""
        right = self.found.total()
        return right / (right + len(self.missing)) if right else 0.0

    @property
    def is_clean(self) -> bool:
        """Tell whether there is no mistake."""
        return not (self.missing or self.false or self.wrong_slots)

    def __str__(self) -> str:
        told = ", ".join(f"{count} {name}" for name, count in self.found.most_common())
        injected = ", ".join(f"{count} {name}" for name, count in sorted(self.injected.items()))
        outcomes = ", ".join(f"{count} {name}" for name, count in self.outcomes.most_common())
        lines = [
            f"seed {self.seed}: {self.slots} slots, {self.injected.total()} happenings, {self.steps} steps in {self.seconds:.0f} s",
            f"  happened: {injected}",
            f"  slots: {outcomes}; {len(self.wrong_slots)} wrong",
            f"  alarms: {told}; {self.unseen} came and went while the supervisor was away; {self.logged} entries in its log",
            f"  precision {self.precision:.4f} ({len(self.false)} false alarms), recall {self.recall:.4f} ({len(self.missing)} not said)",
        ]
        for title, mistakes in (("false", self.false), ("not said", self.missing), ("slot", self.wrong_slots)):
            lines += [f"    {title}: {one}" for one in mistakes[:15]]
        return "\n".join(lines)


def compare_slots(score: Score, truth: Truth, store: Store, after: datetime, until: datetime) -> None:
    """Compare each slot's outcome in the store with the truth, for after < slot <= until."""
    for (strategy, bot), outcomes in truth.outcomes.items():
        expected = {slot: outcome for slot, outcome in outcomes.items() if after < slot <= until}
        for slot in expected:
            del outcomes[slot]
        seen: dict[datetime, str | None] = {}
        ranges = []
        for record in store.slots.in_range(strategy, bot, after + timedelta(milliseconds=1), until):
            if record.count == 1:
                seen[record.last] = record.outcome
            else:
                ranges.append(record)
        for record in ranges:
            within = [slot for slot in expected if record.first <= slot <= record.last and slot not in seen]
            whole = after < record.first and record.last <= until
            if whole and len(within) != record.count:
                score.wrong_slots.append(
                    f"{bot}: a range of {record.count} from {record.first} holds {len(within)} slots"
                )
            seen.update(dict.fromkeys(within, record.outcome))
        for slot, outcome in expected.items():
            score.outcomes[outcome or "none"] += 1
            if seen.get(slot, "nothing") != outcome:
                score.wrong_slots.append(
                    f"{bot} {slot:%Y-%m-%d %H:%M:%S}: {outcome}, the store says {seen.get(slot, 'nothing')}"
                )
        score.wrong_slots += [
            f"{bot} {slot:%Y-%m-%d %H:%M:%S}: no slot, the store says {outcome}"
            for slot, outcome in seen.items()
            if slot not in expected
        ]


def compare(score: Score, truth: Truth, record: Record, away: Sequence[Span], end: datetime) -> list[Trouble]:
    """Match alarms with troubles, one to one; return the troubles that came and went while the supervisor was down."""
    alarms: dict[Key, list[Alarm]] = defaultdict(list)
    for alarm in record.alarms:
        alarms[alarm.key].append(alarm)
    wanted: dict[Key, list[Trouble]] = defaultdict(list)
    for trouble in truth.troubles:
        wanted[trouble.key].append(trouble)
    unseen: list[Trouble] = []
    for key in wanted.keys() | alarms.keys():
        unseen += _match(score, wanted.get(key, []), alarms.get(key, []), away, end)
    score.unseen = len(unseen)
    return unseen


def _match(
    score: Score, wanted: Iterable[Trouble], alarms: list[Alarm], away: Sequence[Span], end: datetime
) -> Iterator[Trouble]:
    left = list(alarms)
    for trouble in wanted:
        finish = trouble.end or end
        fitting = [alarm for alarm in left if alarm.begin <= finish + SLACK and (alarm.end or end) >= trouble.begin]
        if not fitting:
            hidden = any(begin - SLACK <= trouble.begin and finish <= back + PATIENCE for begin, back in away)
            if hidden or finish - trouble.begin < SLACK:
                yield trouble
            else:
                score.missing.append(_told(trouble, end))
            continue
        first, *more = fitting
        left.remove(first)
        if complaint := _timing(trouble, first, away, end):
            score.false.append(complaint)
        else:
            score.found[trouble.kind] += 1
        for alarm in more:
            left.remove(alarm)
            again = f"{' '.join(alarm.key)} said again at {alarm.begin:%Y-%m-%d %H:%M:%S}"
            score.false.append(f"{again} ({trouble.cause}): {alarm.condition.reason}")
    for alarm in left:
        span = f"{alarm.begin:%Y-%m-%d %H:%M:%S} to {alarm.end or end:%m-%d %H:%M:%S}"
        score.false.append(f"{' '.join(alarm.key)} said from {span}: {alarm.condition.reason}")


def _told(trouble: Trouble, end: datetime) -> str:
    finish = trouble.end or end
    return f"{' '.join(trouble.key)}: {trouble.begin:%Y-%m-%d %H:%M:%S} to {finish:%m-%d %H:%M:%S} ({trouble.cause})"


def compare_log(score: Score, truth: Truth, faults: Iterable[Fault], unseen: Iterable[Trouble], end: datetime) -> None:
    """See that the log of faults has what came and went while the supervisor was down, and nothing else."""
    entries: dict[Key, list[Fault]] = defaultdict(list)
    for fault in faults:
        entries[fault.condition.key].append(fault)
    troubles: dict[Key, list[Trouble]] = defaultdict(list)
    for trouble in truth.troubles:
        troubles[trouble.key].append(trouble)
    for trouble in unseen:
        if (
            trouble.kind in LOGGED
            and not trouble.undone
            and not any(_fits(fault, trouble, end) for fault in entries[trouble.key])
        ):
            score.missing.append(f"log: {_told(trouble, end)}")
    for key, found in entries.items():
        for fault in found:
            score.logged += 1
            of_it = troubles[key] + troubles[(SAME.get(key[0], ""), *key[1:])]
            if key[0] not in UNPROVEN and not any(_fits(fault, trouble, end) for trouble in of_it):
                span = f"{fault.condition.since} to {fault.last}"
                score.false.append(f"log: {' '.join(key)} {span}: {fault.condition.reason}")


def _fits(fault: Fault, trouble: Trouble, end: datetime) -> bool:
    known = trouble.begin - (timedelta(days=9) if trouble.cause == CALENDAR_RAN_OUT else LONGEST_DELAY)
    return known <= fault.last and fault.condition.since <= (trouble.end or end) + SLACK


def _timing(trouble: Trouble, alarm: Alarm, away: Sequence[Span], end: datetime) -> str:
    """Return what is wrong with the time in which a trouble was said, or an empty text."""
    finish, ended = trouble.end or end, alarm.end or end
    slack = SLACKS.get(trouble.kind, SLACK)
    begin_by, end_by = trouble.begin + slack, finish + slack
    for left, back in away:
        if left - SLACK <= trouble.begin <= back + PATIENCE:
            begin_by = max(begin_by, back + PATIENCE)
        if left - SLACK <= finish <= back + PATIENCE:
            end_by = max(end_by, back + PATIENCE)
    if alarm.begin > begin_by:
        return f"{' '.join(alarm.key)} said at {alarm.begin:%Y-%m-%d %H:%M:%S}, {alarm.begin - trouble.begin} late ({trouble.cause})"
    if ended > end_by:
        return f"{' '.join(alarm.key)} taken back at {ended:%Y-%m-%d %H:%M:%S}, {ended - finish} late ({trouble.cause})"
    if ended < finish - slack:
        return (
            f"{' '.join(alarm.key)} taken back at {ended:%Y-%m-%d %H:%M:%S}, {finish - ended} early ({trouble.cause})"
        )
    return ""
