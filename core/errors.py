"""The errors of Kreispuls: one root, few children; each message is one sentence naming what and where."""


class KreispulsError(Exception):
    """Root of all errors that Kreispuls raises on purpose; its text is meant for a person."""


class SettingsError(KreispulsError):
    """A setting, rule file or region file is wrong; names file and key. Stops a program before it connects."""


class PayloadError(KreispulsError):
    """A message from a device cannot be used as a whole; the text is the reason kept with the rejected message."""


class InvalidInputError(KreispulsError):
    """A request, file or argument from a person or program is wrong; names the part that is."""


class NotFoundError(KreispulsError):
    """A thing asked for by name or id does not exist."""


class ConflictError(KreispulsError):
    """A thing exists already, or its state does not allow what was asked."""


class StorageError(KreispulsError):
    """A store refused or failed; nothing of the call is to be taken as kept."""


class StorageUnavailableError(StorageError):
    """A store cannot be reached now; the same call may work later."""


class BrokerError(KreispulsError):
    """The MQTT broker cannot be reached, refused us, or the connection broke."""


class PlanningError(KreispulsError):
    """A pickup plan cannot be made; says which part of the problem has no answer."""


class PlanningCancelledError(PlanningError):
    """Whoever asked for the plan wants it no more."""


class RoadsError(KreispulsError):
    """A road engine does not answer, or its extract cannot be read; names the engine or the file."""
