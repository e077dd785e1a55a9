"""The analysis that the API offers: scores per trace, user, prompt, environment or organisation."""

import sqlite3
from typing import Any, Final

import msgspec

GROUPS: Final = {
    "trace_id": None,
    "trace": None,
    **{alias + name: f"_{name}" for name in ("user", "prompt", "environment", "organisation") for alias in ("", "_")},
}
"""What can be grouped by, and the metadata key that holds it (None: the trace id)."""

_METADATA: Final = "coalesce(metadata, event -> '$.metadata')"
_KEYED: Final = """
CASE json_type({metadata}, '$."{key}"')
  WHEN 'text' THEN json_quote({metadata} ->> '$."{key}"')
  WHEN 'null' THEN NULL
  ELSE {metadata} -> '$."{key}"' END
"""
"""A group's key as JSON, so that 1 and "1" stay apart; a text is written anew, for \\u00e9 and é are the same."""

_SUMMARY: Final = """
SELECT {group} AS "group", count(*) AS count,
  sum(value * coalesce(weight, 1.0)) / nullif(sum(coalesce(weight, 1.0)), 0) AS weighted_mean,
  sum(value > 0) AS thumbs_up, sum(value < 0) AS thumbs_down, count(*) OVER () AS total
FROM events GROUP BY 1 ORDER BY count DESC, 1 LIMIT ?
"""


def summarise(db: sqlite3.Connection, group_by: str, limit: int) -> dict[str, Any]:
    """The largest groups with their scores, and how many groups there are; a weight that is absent is 1.

    The weighted mean is None where all weights are 0. The group None holds the events without the metadata key.
    """
    key = GROUPS[group_by]
    group = "json_quote(trace_id)" if key is None else _KEYED.format(metadata=_METADATA, key=key)
    rows = db.execute(_SUMMARY.format(group=group), (limit,)).fetchall()
    fields = ("count", "weighted_mean", "thumbs_up", "thumbs_down")
    groups = [
        {"group": None if row["group"] is None else msgspec.json.decode(row["group"])}
        | {field: row[field] for field in fields}
        for row in rows
    ]
    return {"group_by": group_by, "total": rows[0]["total"] if rows else 0, "groups": groups}
