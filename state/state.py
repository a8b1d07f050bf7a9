"""The state database: devices, municipalities, alerts, commands, rejected messages, rules, lighting, pickups."""

from dataclasses import dataclass

from sqlalchemy import Engine

from sql.engine import open_engine
from state.alerts import Alerts
from state.commands import Commands
from state.devices import Devices
from state.emptyings import Emptyings
from state.erasures import Erasures
from state.ingests import Ingests
from state.leases import Leases
from state.lighting import Lighting
from state.municipalities import Municipalities
from state.notifications import Notifications
from state.pickup_history import PickupHistory
from state.pickups import Pickups
from state.places import Places
from state.plan_queue import PlanQueue
from state.receipts import Receipts
from state.rejected import RejectedMessages
from state.rule_overrides import RuleOverrides
from state.upgrade import upgrade


@dataclass(frozen=True, slots=True)
class State:
    """One repository per noun over one engine; safe to use from several threads."""

    engine: Engine
    devices: Devices
    municipalities: Municipalities
    alerts: Alerts
    commands: Commands
    rejected: RejectedMessages
    rule_overrides: RuleOverrides
    lighting: Lighting
    pickups: Pickups
    plan_queue: PlanQueue
    emptyings: Emptyings
    places: Places
    pickup_history: PickupHistory
    leases: Leases
    ingests: Ingests
    receipts: Receipts
    erasures: Erasures
    notifications: Notifications

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()


def open_state(url: str) -> State:
    """Open the state database and bring its tables up to date (Alembic); several programs may do so at once.

    Raises:
        SettingsError: the URL cannot be understood or its driver is missing.
        StorageUnavailableError: the database does not answer.
        StorageError: it refuses, or was made by a newer version.
    """
    engine = open_engine(url)
    try:
        upgrade(engine)
    except BaseException:
        engine.dispose()
        raise
    return State(
        engine=engine,
        devices=Devices(engine),
        municipalities=Municipalities(engine),
        alerts=Alerts(engine),
        commands=Commands(engine),
        rejected=RejectedMessages(engine),
        rule_overrides=RuleOverrides(engine),
        lighting=Lighting(engine),
        pickups=Pickups(engine),
        plan_queue=PlanQueue(engine),
        emptyings=Emptyings(engine),
        places=Places(engine),
        pickup_history=PickupHistory(engine),
        leases=Leases(engine),
        ingests=Ingests(engine),
        receipts=Receipts(engine),
        erasures=Erasures(engine),
        notifications=Notifications(engine),
    )
