"""The plugins' store behaves like a dictionary with times, revisions and a quota."""

from __future__ import annotations

import sqlite3

from hypothesis import given, settings
from hypothesis import strategies as st

from carapace.plugins.capabilities import kv_records as records
from carapace.store.migrate import load_migrations
from carapace.store.tx import SqliteTx

KEYS = st.text("ab/\ud7ff\ue000\U0010ffff", min_size=1, max_size=3)
VALUES = st.text("xé", max_size=4)
CAP = 5 * (records.ENTRY_BYTES + 8)
STEPS = st.one_of(
    st.tuples(st.just("put"), KEYS, VALUES, st.one_of(st.none(), st.integers(1, 5))),
    st.tuples(st.just("delete"), KEYS, st.just(""), st.none()),
    st.tuples(st.just("wait"), st.just(""), st.just(""), st.integers(1, 5)),
)


def fresh() -> SqliteTx:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    sql = next(one.sql for one in load_migrations() if one.number == 15)
    connection.executescript(sql)
    return SqliteTx(connection)


def cost(key: str, value: str) -> int:
    return records.ENTRY_BYTES + len(key.encode()) + len(value.encode())


@settings(max_examples=60)
@given(st.lists(STEPS, max_size=25), KEYS)
def test_it_is_a_dictionary(steps, prefix):
    tx, model, now, revisions = fresh(), {}, 0, [0]
    for kind, key, value, number in steps:
        live = {k: v for k, v in model.items() if v[1] is None or v[1] > now}
        if kind == "wait":
            now += number or 0
        elif kind == "delete":
            assert records.delete(tx, "demo", key, now_ms=now) == (key in live)
            model.pop(key, None)
        else:
            ends = None if number is None else now + number
            revision = records.put(
                tx, "demo", (key, value), expires_at_ms=ends, max_bytes=CAP, now_ms=now
            )
            others = sum(cost(k, v[0]) for k, v in live.items() if k != key)
            if revision is None:
                assert others + cost(key, value) > CAP
            else:
                assert revision > max(revisions)
                revisions.append(revision)
                model[key] = (value, ends, revision)
    live = {k: v for k, v in model.items() if v[1] is None or v[1] > now}
    for key, (value, _, revision) in live.items():
        assert records.find(tx, "demo", key, now_ms=now) == records.Entry(key, value, revision)
    found = records.scan(tx, "demo", prefix, after=None, limit=100, now_ms=now)
    assert [entry.key for entry in found] == sorted(k for k in live if k.startswith(prefix))
    assert records.size(tx, "demo") >= sum(cost(k, v[0]) for k, v in live.items())
    assert records.size(tx, "demo") <= CAP
