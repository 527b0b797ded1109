"""How messages become JSON and back, as a value; importing it costs nothing."""

import attrs


@attrs.frozen
class JsonOptions:
    """How messages become JSON and back; the defaults are those of 0.8."""

    deny_unknown_fields: bool = True
    use_enum_numbers: bool = False
    use_proto_field_name: bool = False
    skip_default_fields: bool = False
    stringify_64_bit_integers: bool = True


CLASSIC_JSON = JsonOptions()
