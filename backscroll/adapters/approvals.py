"""What a person is told, alone, whose decision of an approval does not count."""

from backscroll.adapters.base import Verdict

WHY_NOT: dict[Verdict, str] = {
    "decided_before": "This is decided already.",
    "expired": "It is too late to decide this.",
    "not_allowed": "You may not decide this.",
    "unknown": "I know nothing of this question any more.",
}
