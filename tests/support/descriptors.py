"""A compiled descriptor set, made without a compiler."""

from google.protobuf import descriptor_pb2, timestamp_pb2

_FIELD = descriptor_pb2.FieldDescriptorProto


def descriptor_set(*, whole: bool = True) -> bytes:
    """The set of acme/order.proto: ``acme.Order`` and ``acme.Payment``; ``whole``: with its imports."""
    file = descriptor_pb2.FileDescriptorProto(
        name="acme/order.proto",
        package="acme",
        syntax="proto3",
        dependency=[timestamp_pb2.DESCRIPTOR.name, "acme/money.proto"],
    )
    order = file.message_type.add(name="Order")
    _add(order, "order_id", 1, _FIELD.TYPE_STRING)
    _add(order, "count", 2, _FIELD.TYPE_INT64)
    _add(order, "at", 3, _FIELD.TYPE_MESSAGE, ".google.protobuf.Timestamp")
    _add(order, "total", 4, _FIELD.TYPE_MESSAGE, ".acme.Money")
    entry = order.nested_type.add(name="LabelsEntry")
    entry.options.map_entry = True
    _add(entry, "key", 1, _FIELD.TYPE_STRING)
    _add(entry, "value", 2, _FIELD.TYPE_STRING)
    _add(order, "labels", 5, _FIELD.TYPE_MESSAGE, ".acme.Order.LabelsEntry", many=True)
    payment = file.message_type.add(name="Payment")
    _add(payment, "paid", 1, _FIELD.TYPE_BOOL)
    money = descriptor_pb2.FileDescriptorProto(
        name="acme/money.proto", package="acme", syntax="proto3"
    )
    _add(money.message_type.add(name="Money"), "cents", 1, _FIELD.TYPE_INT32)
    found = descriptor_pb2.FileDescriptorSet(file=[file])
    if whole:
        found.file.append(money)
    return found.SerializeToString()


def _add(
    message: descriptor_pb2.DescriptorProto,
    name: str,
    number: int,
    kind: "descriptor_pb2.FieldDescriptorProto.Type.ValueType",
    type_name: str = "",
    *,
    many: bool = False,
) -> None:
    label = _FIELD.LABEL_REPEATED if many else _FIELD.LABEL_OPTIONAL
    named = {"type_name": type_name} if type_name else {}
    message.field.add(name=name, number=number, type=kind, label=label, **named)
