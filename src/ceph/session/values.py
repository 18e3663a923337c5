"""Ceph's values as `rbd` takes and prints them."""

import rbd

from place import RBD


def format_time(time):
    return time.strftime('%a %b %e %H:%M:%S %Y')


def is_user_snapshot(snapshot):
    return snapshot['namespace'] == rbd.RBD_SNAP_NAMESPACE_TYPE_USER


def features_from(names):
    return RBD.features_from_string(','.join(names)) if names else 0


def features_of(image):
    bits = image.features()
    return [RBD.features_to_string(1 << bit) for bit in range(bits.bit_length()) if bits >> bit & 1]
