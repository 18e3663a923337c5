"""Objects of a pool, and commands of the monitors and the manager."""

import errno
import json

import rados

from place import Failure, open_objects, text_of


def read_object(cluster, ref, name):
    with open_objects(cluster, ref) as ioctx:
        return text_of(ioctx.read(name, 64 * 1024))


def stat_object(cluster, ref, name):
    with open_objects(cluster, ref) as ioctx:
        ioctx.stat(name)
    return ''


def read_omap_value(cluster, ref, name, key):
    with open_objects(cluster, ref) as ioctx, rados.ReadOpCtx() as operation:
        found, _ = ioctx.get_omap_vals_by_keys(operation, (key,))
        ioctx.operate_read_op(operation, name)
        values = [value for _, value in found]
    if not values:
        raise Failure(errno.ENOENT, 'No such key: {}'.format(key))
    return text_of(values[0])


# Keys that come with one answer of an OSD.
OMAP_PAGE = 1000


def list_omap_keys(cluster, ref, name):
    keys = []
    with open_objects(cluster, ref) as ioctx:
        while True:
            with rados.ReadOpCtx() as operation:
                found, _ = ioctx.get_omap_keys(operation, keys[-1] if keys else '', OMAP_PAGE)
                ioctx.operate_read_op(operation, name)
                page = [key for key, _ in found]
            keys += page
            if len(page) < OMAP_PAGE:
                return ''.join(key + '\n' for key in keys)


def write_omap_value(cluster, ref, name, key, value):
    with open_objects(cluster, ref) as ioctx, rados.WriteOpCtx() as operation:
        ioctx.set_omap(operation, (key,), (value.encode(),))
        ioctx.operate_write_op(operation, name)
    return ''


def remove_omap_key(cluster, ref, name, key):
    with open_objects(cluster, ref) as ioctx, rados.WriteOpCtx() as operation:
        ioctx.remove_omap_keys(operation, (key,))
        ioctx.operate_write_op(operation, name)
    return ''


# Commands of the monitors and the manager


def run_command(send, command):
    code, out, reason = send(json.dumps(command), b'')
    if code != 0:
        raise Failure(abs(code), reason, text_of(out))
    return text_of(out)


def monitor_command(cluster, command):
    return run_command(cluster.mon_command, command)


def manager_command(cluster, command):
    return run_command(cluster.mgr_command, command)
