"""Energy as the API gives it."""

from pydantic import Field

from api.schemas.fields import Items, Shown, TimeOut


class EnergyShown(Shown):
    """Energy of a group of lamps in one interval; null: of no lamp is it known."""

    start: TimeOut
    end: TimeOut
    municipality: str = Field(examples=["marburg"])
    group: str = Field(description="device id, street, circuit or municipality; empty: none", examples=["Uferstraße"])
    lamps: int = Field(description="registered lamps of the group")
    energy_kwh: float | None = Field(description="what the lamps used, as far as it is known")
    estimated_kwh: float = Field(description="part of `energy_kwh` that was not measured in this interval")
    reference_kwh: float | None = Field(
        description="the compared lamps at rated power from sunset to sunrise, for the time of which energy is known"
    )
    saving_kwh: float | None = Field(description="`reference_kwh` less what the compared lamps used")
    saving_share: float | None = Field(description="`saving_kwh` by `reference_kwh`; negative: more than always 100 %")
    co2_kg: float | None = Field(description="of `energy_kwh`, by `co2_g_per_kwh`")
    co2_saved_kg: float | None = Field(description="of `saving_kwh`")
    lamps_compared: int = Field(description="lamps with known energy, rated power and position")
    lamps_unknown: int = Field(description="lamps of which no energy is known")
    hours_unknown: float = Field(description="lamp hours of which no energy is known")
    hours_without_data: float = Field(description="lamp hours without a reading; a counter may bridge them")
    hours_out_of_order: float = Field(
        description="lamp hours with a fault that makes the lamp dark: no saving is counted for them"
    )
    operating_hours_h: float | None
    lamps_counting_hours: int = Field(description="lamps that `operating_hours_h` is of")
    switch_on_count: int | None
    lamps_counting_switchings: int = Field(description="lamps that `switch_on_count` is of")
    counter_resets: int = Field(description="how often an energy counter began anew")


class EnergyItems(Items[EnergyShown]):
    """A page of energy figures, and the factor of their CO2."""

    co2_g_per_kwh: float = Field(description="grams of CO2 per kilowatt hour from the grid", examples=[363])
    co2_source: str = Field(description="whose factor it is, of which year")
