"""Reading the rows that a load left out."""

from typing import Annotated, Final

from fastapi import APIRouter, Path
from starlette.responses import FileResponse

from robosystems.graph_api.domain import errors
from robosystems.graph_api.routers.databases.documentation import on_record
from robosystems.graph_api.routers.deps import GraphIdDep, ServicesDep

router = APIRouter(prefix="/databases", tags=["load"])

_NDJSON: Final = "application/x-ndjson"


@router.get(
    "/{graph_id}/loads/{load_id}/rejects",
    response_class=FileResponse,
    responses={
        **on_record(errors.LoadNotFoundError),
        200: {
            "description": "One object per row that was left out, in the order in which they were found.",
            "content": {
                _NDJSON: {
                    "schema": {"type": "string"},
                    "example": '{"row":7,"reason":"unfit_value","detail":"...","line":8,"column":"age","value":"x"}\n',
                }
            },
        },
    },
)
async def read_rejects(
    graph_id: GraphIdDep,
    load_id: Annotated[str, Path(description="From `rejects_url` of the load's answer.")],
    services: ServicesDep,
) -> FileResponse:
    """Read the rows that a load with `on_error=skip` left out, with the reason of each; kept for a while only."""
    path = await services.loads.rejects(graph_id, load_id)
    return FileResponse(path, media_type=_NDJSON, headers={"Cache-Control": "private, no-cache"})
