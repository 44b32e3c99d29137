"""A database whose file is damaged: noticed, named, kept away from the others, and taken back when it is put right."""

from pathlib import Path

import pytest

from tests.graph_api.server_process import ServerProcess

pytestmark = pytest.mark.integration

DDL = "CREATE NODE TABLE N(id INT64, PRIMARY KEY(id))"


def test_a_damaged_database_is_quarantined_until_it_is_put_right(tmp_path: Path) -> None:
    """It is listed as broken with the reason and answers 503; its neighbour works; after a repair it is retried."""
    server = ServerProcess(tmp_path)
    with server, server.client() as client:
        for name in ("hurt", "whole"):
            client.create_database(name, "custom", custom_schema_ddl=DDL)
            client.query(name, "UNWIND range(1, 100) AS i CREATE (:N {id: i})")
    file = tmp_path / "databases" / "hurt" / "graph.lbug"
    content = file.read_bytes()
    file.write_bytes(b"not a database" + content[14:])
    with server, server.http() as http:
        counting = {"cypher": "MATCH (n:N) RETURN count(n) AS n"}
        refused = http.post("/databases/hurt/query", json=counting)
        assert (refused.status_code, refused.json()["code"]) == (503, "DATABASE_BROKEN")
        assert refused.json()["retryable"] is False
        described = http.get("/databases/hurt").json()
        assert described["status"] == "broken"
        assert described["status_reason"]
        assert {each["graph_id"]: each["status"] for each in http.get("/databases").json()["databases"]} == {
            "hurt": "broken",
            "whole": "active",
        }
        assert http.post("/databases/whole/query", json=counting).json()["data"] == [{"n": 100}]
        assert http.post("/databases/hurt/retry").status_code == 503
        file.write_bytes(content)
        assert http.post("/databases/hurt/retry").json()["status"] == "active"
        assert http.post("/databases/hurt/query", json=counting).json()["data"] == [{"n": 100}]
        assert http.post("/databases/nobody/retry").status_code == 404
