"""Everything that this package raises on purpose.

    SalesExporterError
    ├── UsageError            the user can mend it: exit status 2, one line, no traceback
    │   ├── ConfigError       a configuration file, flag or environment variable
    │   ├── DataFileError     a data or map file given to an import
    │   └── StackError        a server of the local stack is missing or did not start
    ├── SourceError           a pass over a source did not succeed; the next pass tries again
    │   ├── SourceUnavailable the source refused, vanished or did not answer
    │   ├── DeadlineExceeded  the pass used up its time; its socket is closed
    │   ├── LockTimeout       a lock on the source was not granted in time
    │   ├── RowBudgetExceeded a query returned more rows than a pass may hold
    │   └── ContractViolation the source answered with something the data contract excludes
    ├── WorkerLost            the process in which the sidecar judges ended; the next tick starts another
    └── MetricError           a sample that no exposition could carry

A message names what was wrong and where, never a DSN, a password or a value from a row.
"""

from __future__ import annotations


class SalesExporterError(Exception):
    """Base of all errors raised on purpose by this package."""


class UsageError(SalesExporterError):
    """Bad input that the user can mend; the command line exits 2 with this one line."""


class ConfigError(UsageError):
    """A configuration file, flag or environment variable is wrong."""


class DataFileError(UsageError):
    """A data file or its map is malformed; names file, line, column and what was expected."""


class StackError(UsageError):
    """A server of the local stack is missing or did not become ready."""


class SourceError(SalesExporterError):
    """A pass over a source failed. ``reason`` comes from a closed set and is safe as a label value."""

    reason = "source"


class SourceUnavailable(SourceError):
    """The source refused the connection, vanished or did not answer."""

    reason = "unavailable"


class DeadlineExceeded(SourceError):
    """The pass used up its time; the last act of the deadline was to close the socket."""

    reason = "deadline"


class LockTimeout(SourceError):
    """A lock on the source was not granted in time."""

    reason = "lock"


class RowBudgetExceeded(SourceError):
    """A query returned more rows than one pass may hold."""

    reason = "row_budget"


class ContractViolation(SourceError):
    """The source answered with something that the data contract excludes."""

    reason = "contract"


class WorkerLost(SalesExporterError):
    """The process in which the sidecar judges ended by itself or was killed."""


class MetricError(SalesExporterError):
    """A sample with wrong, missing or non-string labels, or a value that is no number."""
