"""LadybugDB as a `GraphBackend`: one supervised process for each open database."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from robosystems.graph_api.backends.base import GraphBackend
from robosystems.graph_api.backends.lbug import refusals
from robosystems.graph_api.backends.lbug.answers import collect_rows, decode_report
from robosystems.graph_api.backends.lbug.calls import Call, LoadCall, RunCall, StatsCall, TransactionCall
from robosystems.graph_api.backends.lbug.catalog import Catalog
from robosystems.graph_api.backends.lbug.database import Database, DatabaseServices
from robosystems.graph_api.backends.lbug.node import Node
from robosystems.graph_api.backends.lbug.observer import BackendObserver, SilentObserver
from robosystems.graph_api.backends.lbug.options import LbugBackendConfig
from robosystems.graph_api.backends.lbug.schema_access import (
    as_schema_error,
    count_rows,
    definition_statements,
    read_schema,
    recorded_schema,
)
from robosystems.graph_api.domain.capabilities import BackendCapabilities
from robosystems.graph_api.domain.errors import StatementError
