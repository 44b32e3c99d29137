"""Statements that look dangerous to a careless filter, and are not: each is allowed, and works."""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Innocent(NamedTuple):
    """A statement that must be allowed and must work."""

    text: str
    kind: str
    """What it must be classified as; `read`, where only a careless look sees a write."""
    parameters: Mapping[str, object] = {}


SCHEMA: Final = (
    """CREATE NODE TABLE Company(
        id INT64 PRIMARY KEY, name STRING, url STRING, tags STRING[], `load` STRING, copy STRING, `set` INT64,
        `delete` BOOL, `create` STRING, call STRING, note STRING DEFAULT 'DROP TABLE Company'
    )""",
    "CREATE NODE TABLE Load(id INT64 PRIMARY KEY, attach STRING, merge INT64)",
    "CREATE NODE TABLE `Drop Table`(`primary key` INT64 PRIMARY KEY, `a``b` STRING, `;` STRING)",
    "CREATE REL TABLE OWNS(FROM Company TO Company, since DATE, `use` STRING)",
    "CREATE REL TABLE COPIES(FROM Company TO Load)",
    "CREATE SEQUENCE counter",
)
"""The tables that the statements need; statements of a tenant as well."""

_STRINGS: Final = (
    "Grant Thornton LLP",
    "Load Brothers & Copy Sons, Inc.",
    "Delete Me Ltd",
    "Attach & Detach GmbH",
    "CALL read_parquet('x')",
    "COPY x TO y",
    "LOAD FROM '/etc/passwd'",
    "; DROP TABLE Company; --",
    "http://a.example/load?from=copy#install",
    "// no comment",
    "/* neither */",
    'O\'Brien "the" `tick`',
    "back\\slash \\' \\n",
    "$parameter",
    "$$",
    "100 % -> sure",
    "two\nlines\r\nand a\ttab",
    "naïve Ünïcode 株式会社 😀",
    "BEGIN TRANSACTION; COMMIT",
    "INSTALL httpfs",
)
"""Values that only look like statements: each is sent as a parameter, and written into a statement."""


def _literal(value: str) -> str:
    """Write a value as a caller would."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


_VALUES: Final = tuple(
    innocent
    for number, value in enumerate(_STRINGS, start=1000)
    for innocent in (
        Innocent(f"CREATE (:Company {{id: {number}, name: {_literal(value)}}})", "write"),
        Innocent(f"MATCH (n:Company) WHERE n.name = {_literal(value)} RETURN n.name", "read"),
        Innocent(f"MATCH (n:Company) WHERE n.name = $value RETURN n.id AS id{number}", "read", {"value": value}),
    )
)

INNOCENT: Final[tuple[Innocent, ...]] = (
    *_VALUES,
    Innocent("RETURN 1", "read"),
    Innocent("RETURN 1;", "read"),
    Innocent("  \n RETURN 1 ; // done; really", "read"),
    Innocent("/* DROP TABLE Company; */ RETURN 1", "read"),
    Innocent("/****/ RETURN 1 /* ** */", "read"),
    Innocent("RETURN 1 // DELETE everything", "read"),
    Innocent("RETURN 1 // DELETE everything\n // and COPY it\n", "read"),
    Innocent("RETURN 1 /* LOAD FROM 'x' */ AS one", "read"),
    Innocent("RETURN '/*', '*/' AS a", "read"),
    Innocent("RETURN '//' AS a, \"//\" AS b", "read"),
    Innocent("RETURN '\\'; DROP TABLE Company //' AS a", "read"),
    Innocent('RETURN "it\'s; COMMIT" AS a', "read"),
    Innocent("RETURN 1 AS `DROP TABLE Company`", "read"),
    Innocent("RETURN 1 AS `; COMMIT`", "read"),
    Innocent("RETURN 1 AS `a``b`", "read"),
    Innocent("RETURN 1 AS `// no comment`", "read"),
    Innocent("RETURN 1 AS delete", "read"),
    Innocent("RETURN 1 AS set, 2 AS load, 3 AS copy, 4 AS call, 5 AS merge, 6 AS use", "read"),
    Innocent("RETURN 1 AS commit, 2 AS attach, 3 AS export, 4 AS import, 5 AS update, 6 AS `install`", "read"),
    Innocent("WITH 1 AS delete RETURN delete", "read"),
    Innocent("WITH 1 AS delete WHERE delete = 1 RETURN delete + 1 AS x", "read"),
    Innocent("WITH [1, 2] AS set UNWIND set AS x RETURN x", "read"),
    Innocent("WITH 1 AS load RETURN load", "read"),
    Innocent("WITH 1 AS call WHERE call IN [1, 2] RETURN call", "read"),
    Innocent("WITH 2 AS merge RETURN [merge, merge] AS l, {a: merge} AS s", "read"),
    Innocent("MATCH (n:Company) RETURN n.load, n.copy, n.`set`, n.`delete`, n.`create`, n.call", "read"),
    Innocent("MATCH (n:Company) RETURN n.set AS set, n.delete AS delete ORDER BY set, delete LIMIT 3", "read"),
    Innocent("MATCH (n:Company) WHERE n.set > 3 OR n.delete RETURN n.call", "read"),
    Innocent("MATCH (n:Company {delete: true, set: 1}) RETURN n", "read"),
    Innocent("MATCH (n:Company) WHERE NOT n.delete AND n.load IS NOT NULL RETURN count(*)", "read"),
    Innocent("MATCH (n:Company) WHERE n.call CONTAINS ('x') RETURN n.id", "read"),
    Innocent("MATCH (n:Company) WHERE n.copy STARTS WITH 'COPY' OR n.load ENDS WITH 'FROM' RETURN n.id", "read"),
    Innocent("MATCH (set:Company) RETURN set", "read"),
    Innocent("MATCH (load:Load) WHERE load.merge = 1 RETURN load.attach", "read"),
    Innocent("MATCH (load:Load), (copy:Company) WHERE load.id = copy.id RETURN load, copy", "read"),
    Innocent("MATCH (delete:Company) WHERE delete.id = 1 RETURN delete", "read"),
    Innocent("MATCH (a:Company)-[use:OWNS]->(b:Company) RETURN use.since, use.`use`", "read"),
    Innocent("MATCH (a:Company)-[:OWNS|:COPIES]->(load) RETURN load", "read"),
    Innocent("MATCH (a:Company)<-[r:OWNS]-(b)-->(c) RETURN a.id, c.id", "read"),
    Innocent("MATCH p = (a:Company)-[:OWNS* SHORTEST 1..3]->(b:Company) RETURN length(p)", "read"),
    Innocent("MATCH p = (a:Company)-[:OWNS*1..2 (r, n | WHERE r.since IS NULL)]->(b:Company) RETURN nodes(p)", "read"),
    Innocent("MATCH (n:`Drop Table`) RETURN n.`primary key`, n.`a``b`, n.`;`", "read"),
    Innocent("match(n:company)return n.ID", "read"),
    Innocent("MATCH (n:Company) WHERE n.id=1RETURN n.id", "read"),
    Innocent("MATCH (n:Company)\u00a0WHERE\u3000n.id = 1 RETURN n.id", "read"),
    Innocent("OPTIONAL MATCH (n:Company) WHERE n.id = -1 RETURN n", "read"),
    Innocent("MATCH (n:Company) WHERE EXISTS { MATCH (n)-[:OWNS]->(:Company) } RETURN n.id", "read"),
    Innocent("RETURN COUNT { MATCH (n:Company) WHERE n.delete } AS c", "read"),
    Innocent("MATCH (n:Company) RETURN count(*) AS c, collect(n.name) AS names, min(n.id) AS m", "read"),
    Innocent("MATCH (n:Company) RETURN DISTINCT (n.id) AS id ORDER BY (id) SKIP 0 LIMIT 2", "read"),
    Innocent("MATCH (n:Company) RETURN n.id AS x UNION ALL MATCH (l:Load) RETURN l.id AS x", "read"),
    Innocent("UNWIND $rows AS row RETURN row.a", "read", {"rows": [{"a": 1}, {"a": 2}]}),
    Innocent("RETURN $set + $`load` AS x", "read", {"set": 1, "`load`": 2}),
    Innocent("RETURN CASE WHEN 1 < 2 THEN 'DELETE' ELSE 'SET' END AS x", "read"),
    Innocent("RETURN list_transform([1, 2], x -> x + 1) AS l", "read"),
    Innocent("RETURN list_filter([1, 2], x -> x > 1), list_reduce([1, 2], (a, b) -> a + b)", "read"),
    Innocent("RETURN all(x IN [1] WHERE x > 0), any(x IN [1] WHERE x > 0), none(x IN [1] WHERE x > 1)", "read"),
    Innocent("RETURN single(x IN [1, 2] WHERE x = 1) AS s", "read"),
    Innocent("RETURN contains('abc', 'b'), range(1, 3), hash('x'), map([1], [2]), left('abc', 1)", "read"),
    Innocent("RETURN CAST('1' AS INT64), CAST([1, 2] AS INT64[]), CAST('1.50' AS DECIMAL(5, 2))", "read"),
    Innocent("RETURN CAST({a: 1} AS STRUCT(a STRING)) AS s", "read"),
    Innocent("RETURN date('2024-01-01') + interval('1 day'), current_date(), 3!, 2 ^ 3, 7 % 4, 1 << 2, 6 / 2", "read"),
    Innocent("RETURN [1, 2, 3][1:2] AS slice, {a: 1}.a AS field, 'abc'[1] AS c", "read"),
    Innocent("RETURN 'abc' =~ 'a.*' AS matched, 1.5e3 AS e, .5 AS half, -1 AS minus", "read"),
    Innocent("CALL show_tables() RETURN *", "read"),
    Innocent("CALL show_tables() WHERE name = 'Company' RETURN name", "read"),
    Innocent("CALL table_info('Company') RETURN name, type", "read"),
    Innocent("CALL show_connection('OWNS') RETURN *", "read"),
    Innocent("call/**/db_version()/**/return/**/version", "read"),
    Innocent("CALL show_functions() WHERE name = 'LOAD' RETURN count(*)", "read"),
    Innocent("CALL show_indexes() RETURN *", "read"),
    Innocent("CALL show_sequences() RETURN *", "read"),
    Innocent("CALL stats_info('Company') RETURN *", "read"),
    Innocent("CALL catalog_version() RETURN *", "read"),
    Innocent("CALL storage_version() RETURN *", "read"),
    Innocent("EXPLAIN MATCH (n:Company) RETURN n", "read"),
    Innocent("EXPLAIN LOGICAL MATCH (n:Company) RETURN n", "read"),
    Innocent("PROFILE MATCH (n:Company) RETURN n", "read"),
    Innocent("EXPLAIN MATCH (n:Company) DETACH DELETE n", "write"),
    Innocent("CREATE (:Load {id: 1, attach: 'ATTACH', merge: 1})", "write"),
    Innocent("CREATE (node:Company {id: 1}), (table1:Load {id: 2})", "write"),
    Innocent("CREATE sequence = (:Company {id: 2}) RETURN sequence", "write"),
    Innocent("MERGE (n:Company {id: 3}) ON CREATE SET n.name = 'DROP' ON MATCH SET n.copy = 'COPY'", "write"),
    Innocent(
        "MATCH (a:Company {id: 1}), (b:Company {id: 2}) CREATE (a)-[:OWNS {since: date('2024-01-01')}]->(b)", "write"
    ),
    Innocent("MATCH (n:Company {id: 3}) SET n.set = 1, n.delete = false, n.load = 'LOAD FROM'", "write"),
    Innocent("MATCH (set:Company {id: 3}) SET set.set = 2", "write"),
    Innocent("MATCH (n:Company {id: 3}) DELETE n", "write"),
    Innocent("UNWIND $rows AS row CREATE (:Load {id: row.id})", "write", {"rows": [{"id": 10}, {"id": 11}]}),
    Innocent("RETURN nextval('counter') AS x", "write"),
    Innocent(
        "CREATE NODE TABLE IF NOT EXISTS partition(id SERIAL PRIMARY KEY, d DECIMAL(5, 2), s STRUCT(a INT64))", "ddl"
    ),
    Innocent(
        "CREATE NODE TABLE Types(id INT64, m MAP(STRING, INT64), u UNION(a INT64, b STRING), PRIMARY KEY (id))", "ddl"
    ),
    Innocent(
        "CREATE NODE TABLE Defaults(id UUID DEFAULT gen_random_uuid() PRIMARY KEY, at DATE DEFAULT current_date())",
        "ddl",
    ),
    Innocent("CREATE REL TABLE GROUP Many(FROM Company TO Load, FROM Load TO Load, w INT64, MANY_MANY)", "ddl"),
    Innocent("CREATE REL TABLE IF NOT EXISTS as(FROM Company TO Company)", "ddl"),
    Innocent("ALTER TABLE Types ADD IF NOT EXISTS set STRING DEFAULT 'LOAD FROM'", "ddl"),
    Innocent("ALTER TABLE Types DROP set", "ddl"),
    Innocent("ALTER TABLE Types ADD copy STRING", "ddl"),
    Innocent("ALTER TABLE Types RENAME copy TO load", "ddl"),
    Innocent("ALTER TABLE Types RENAME TO Kinds", "ddl"),
    Innocent("ALTER TABLE Many ADD FROM Kinds TO Kinds", "ddl"),
    Innocent("COMMENT ON TABLE Kinds IS 'COPY x TO y; // no comment'", "ddl"),
    Innocent("CREATE SEQUENCE IF NOT EXISTS numbers START WITH 5 INCREMENT BY 2", "ddl"),
    Innocent("DROP SEQUENCE numbers", "ddl"),
    Innocent("DROP TABLE Many", "ddl"),
    Innocent("DROP TABLE IF EXISTS Kinds", "ddl"),
)
"""In this order, they run on a database with the tables of `SCHEMA`."""
