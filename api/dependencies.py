"""How routes get at what the application holds open."""

from datetime import date
from typing import Annotated

from fastapi import Depends, Request

from api.live import LiveHub
from api.metrics import Metrics
from api.resources import Resources
from core.settings import Settings
from core.topics import Topics
from mqtt.client import MqttClient
from readings.store import ReadingStore
from state.state import State


async def _resources(request: Request) -> Resources:
    resources: Resources = request.app.state.resources
    return resources


async def _settings(request: Request) -> Settings:
    return (await _resources(request)).settings


async def _topics(request: Request) -> Topics:
    return (await _resources(request)).topics


async def _state(request: Request) -> State:
    return (await _resources(request)).state


async def _readings(request: Request) -> ReadingStore:
    return (await _resources(request)).readings


async def _mqtt(request: Request) -> MqttClient:
    return (await _resources(request)).mqtt


async def _live(request: Request) -> LiveHub:
    return (await _resources(request)).live


async def _metrics(request: Request) -> Metrics:
    return (await _resources(request)).metrics


async def _today(request: Request) -> date:
    return (await _resources(request)).today()


SettingsDep = Annotated[Settings, Depends(_settings)]
TopicsDep = Annotated[Topics, Depends(_topics)]
StateDep = Annotated[State, Depends(_state)]
ReadingsDep = Annotated[ReadingStore, Depends(_readings)]
MqttDep = Annotated[MqttClient, Depends(_mqtt)]
LiveDep = Annotated[LiveHub, Depends(_live)]
MetricsDep = Annotated[Metrics, Depends(_metrics)]
TodayDep = Annotated[date, Depends(_today)]
