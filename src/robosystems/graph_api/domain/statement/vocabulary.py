"""The words of the engine: its keywords, and its functions, each with a decision.

A function that is in none of these tables does not exist for a tenant: one that a new version of the engine brings
waits until somebody has looked at it (a test compares the tables with the engine's own list). Names of functions are in
lower case; to the engine, case makes no difference.
"""

from collections.abc import Mapping
from typing import Final

KEYWORDS: Final = frozenset(
    """
    ACYCLIC ADD ALL ALTER ANALYZE AND ANY AS ASC ASCENDING ATTACH BEGIN BY CALL CASE CAST CHECKPOINT COLUMN COMMENT
    COMMIT COMMIT_SKIP_CHECKPOINT CONTAINS COPY COUNT CREATE CSR CYCLE DATABASE DBTYPE DECIMAL DEFAULT DELETE DESC
    DESCENDING DETACH DISTINCT DROP ELSE END ENDS EXISTS EXPLAIN EXPORT EXTENSION FALSE FOR FORCE FROM GLOB GRAPH
    GROUP HASH HEADERS HINT IF IMPORT IN INCREMENT INDEX INSTALL IS JOIN KEY LIMIT LIST LOAD LOGICAL MACRO MAP MATCH
    MAXVALUE MERGE MINVALUE MULTI_JOIN NO NODE NONE NOT NULL ON ONLY OPTIONAL OPTIONS OR ORDER PARTITION PARTITIONS
    PASSWORD PRIMARY PROFILE PROJECT RANGE READ REL RENAME RETURN ROLE ROLLBACK ROLLBACK_SKIP_CHECKPOINT SEQUENCE
    SET SHORTEST SINGLE SKIP SORTED START STARTS STRUCT TABLE THEN TO TRAIL TRANSACTION TRUE TYPE UNINSTALL UNION
    UNWIND UPDATE USE USER WHEN WHERE WITH WRITE WSHORTEST XOR YIELD
    """.split()  # noqa: SIM905
)
"""Every word that means something to the engine's grammar, in capitals; more than half of them may also be names."""

FUNCTIONS: Final = frozenset(
    """
    abs acos array_append array_cat array_concat array_contains array_cosine_similarity array_cross_product
    array_distance array_dot_product array_extract array_has array_indexof array_inner_product array_position
    array_prepend array_push_back array_push_front array_slice array_squared_distance array_value asin atan atan2
    avg bitshift_left bitshift_right bitwise_and bitwise_or bitwise_xor blob cardinality cast cbrt ceil ceiling
    century coalesce collect concat concat_ws constant_or_null contains cos cost cot count count_if current_date
    current_timestamp currval date date_part date_trunc datepart datetrunc dayname decode degrees duration
    element_at encode end_node ends_with epoch_ms error even factorial floor gamma gen_random_uuid greatest hash
    histogram id ifnull initcap internal_id interval is_acyclic is_trail keys label labels last_day lcase least left
    length levenshtein lgamma list_any_value list_append list_cat list_concat list_contains list_creation
    list_distinct list_element list_extract list_filter list_has list_has_all list_has_any list_indexof list_max
    list_min list_position list_prepend list_product list_reduce list_reverse list_reverse_sort list_slice list_sort
    list_sum list_to_string list_transform list_unique ln log log10 log2 lower lpad ltrim make_date map map_extract
    map_keys map_values max md5 min monthname negate nextval nodes nullif octet_length offset percentilecont
    percentiledisc pi pow prefix properties radians random range regexp_extract regexp_extract_all regexp_full_match
    regexp_matches regexp_replace regexp_split_to_array relationships rels repeat replace reverse right round rowid
    rpad rtrim sha256 sign sin size split_part sqrt start_node starts_with str_split string string_split
    string_to_array struct_extract struct_pack substr substring suffix sum tan time_bucket timestamp to_blob to_bool
    to_date to_days to_double to_epoch_ms to_float to_hours to_int128 to_int16 to_int32 to_int64 to_int8 to_interval
    to_microseconds to_milliseconds to_minutes to_months to_seconds to_serial to_string to_timestamp to_uint128
    to_uint16 to_uint32 to_uint64 to_uint8 to_uuid to_years tolower toupper trim typeof ucase union_extract
    union_tag union_value upper uuid
    """.split()  # noqa: SIM905
)
"""Functions of expressions that every statement may call: they see their arguments and nothing else."""

QUANTIFIERS: Final = frozenset({"all", "any", "none", "single"})
"""Words of the grammar that the engine lists as functions: `all(x IN list WHERE ...)`."""

_OPERATOR: Final = "use the operator: the function form crashes on nodes and relationships."
REFUSED_FUNCTIONS: Final[Mapping[str, str]] = {
    "count_star": "write count(*).",
    "equals": _OPERATOR,
    "greater_than": _OPERATOR,
    "greater_than_equals": _OPERATOR,
    "less_than": _OPERATOR,
    "less_than_equals": _OPERATOR,
    "not_equals": _OPERATOR,
    "setseed": "it changes the connection for the requests that come after; draw random numbers in the client.",
}
"""Functions of expressions that no statement may call, and what to do instead."""

VOLATILE_FUNCTIONS: Final = frozenset(
    {"current_date", "current_timestamp", "currval", "gen_random_uuid", "nextval", "random"}
)
"""Functions that can answer differently each time."""

WRITING_FUNCTIONS: Final = frozenset({"nextval"})
"""Functions that change the database, wherever they are called."""

LAMBDA_FUNCTIONS: Final = frozenset({"list_filter", "list_reduce", "list_transform"})
"""Functions that take a lambda, as their second argument; given to any other, a lambda crashes the engine."""

PROCEDURES: Final = frozenset(
    {
        "catalog_version",
        "db_version",
        "show_connection",
        "show_functions",
        "show_indexes",
        "show_sequences",
        "show_tables",
        "stats_info",
        "storage_version",
        "table_info",
    }
)
"""Table functions that every statement may CALL: they read the catalog of this database."""

ADMINISTRATOR_PROCEDURES: Final[Mapping[str, str]] = {
    "bm_info": "how full the buffer pool is",
    "disk_info": "the size of each table on disk",
    "disk_size_info": "the size of each table on disk",
    "file_info": "the number of pages of the database file",
    "fsm_info": "the free pages inside the database file",
    "storage_info": "pages, compression and value ranges of each column of a table",
}
"""Table functions for administrators, and what each is for."""

_FILE: Final = "send the file to POST /databases/{id}/load/{table}."
_GRAPH: Final = "graph algorithms need an extension, and extensions are not available."
_EXTENSION: Final = "extensions are not available."
REFUSED_PROCEDURES: Final[Mapping[str, str]] = {
    "_cache_array_column_locally": "it belongs to the engine itself.",
    "clear_warnings": "the answer of a load names its skipped rows; there is nothing to clear.",
    "current_setting": "settings are the operator's; GET /databases/{id} shows the limits of the database.",
    "drop_projected_graph": _GRAPH,
    "project_graph": _GRAPH,
    "project_graph_cypher": _GRAPH,
    "projected_graph_info": _GRAPH,
    "read_csv_parallel": _FILE,
    "read_csv_serial": _FILE,
    "read_npy": _FILE,
    "read_pandas": _FILE,
    "read_parquet": _FILE,
    "show_attached_databases": "nothing can be attached; GET /databases lists the graphs.",
    "show_graphs": "each graph is a database of its own; GET /databases lists them.",
    "show_loaded_extensions": _EXTENSION,
    "show_macros": "macros are not available.",
    "show_official_extensions": _EXTENSION,
    "show_projected_graphs": _GRAPH,
    "show_warnings": "the answer of a load names its skipped rows.",
}
"""Table functions that nobody may CALL, and what to do instead."""

VOLATILE_PROCEDURES: Final = frozenset({*ADMINISTRATOR_PROCEDURES, "catalog_version", "stats_info"})
"""Table functions whose answer depends on more than the data and the schema."""
