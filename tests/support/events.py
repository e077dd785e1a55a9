"""Events by the number, for tests to which it is all the same what is in them."""


def events(count: int, prefix: str = "t", **fields: object) -> list[dict[str, object]]:
    """So many events, each with a trace id of its own: the prefix and its number.

    Args:
        count: how many.
        prefix: of their trace ids.
        fields: that each has besides its trace id and its value, or in place of them.
    """
    return [{"trace_id": f"{prefix}{number}", "value": 1, **fields} for number in range(count)]
