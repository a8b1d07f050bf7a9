"""The state database: devices, municipalities, alerts, commands, rejected messages, rules, lighting, pickups."""

from dataclasses import dataclass

from sqlalchemy import Engine

from storage.alerts import Alerts
from storage.commands import Commands
from storage.devices import Devices
from storage.engine import open_engine
from storage.erasures import Erasures
from storage.leases import Leases
from storage.lighting import Lighting
from storage.municipalities import Municipalities
from storage.notifications import Notifications
from storage.pickup_history import PickupHistory
from storage.pickups import Pickups
from storage.places import Places
from storage.receipts import Receipts
from storage.rejected import RejectedMessages
from storage.rule_overrides import RuleOverrides
from storage.shares import Shares


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
    pickup_history: PickupHistory
    places: Places
    leases: Leases
    shares: Shares
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
    """
    engine = open_engine(url)
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
        pickup_history=PickupHistory(engine),
        places=Places(engine),
        leases=Leases(engine),
        shares=Shares(engine),
        receipts=Receipts(engine),
        erasures=Erasures(engine),
        notifications=Notifications(engine),
    )
