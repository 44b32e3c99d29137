"""Routes below `/databases`."""

from fastapi import APIRouter

from robosystems.graph_api.routers.databases import (
    archive,
    conditional,
    load,
    management,
    metrics,
    query,
    rejects,
    running,
    schema,
)

router = APIRouter()
router.include_router(query.router)  # first, because routes are matched in order and this one is hot
router.include_router(conditional.router)
router.include_router(load.router)
router.include_router(rejects.router)
router.include_router(archive.router)
router.include_router(running.router)
router.include_router(schema.router)
router.include_router(metrics.router)
router.include_router(management.router)

__all__ = ["router"]
