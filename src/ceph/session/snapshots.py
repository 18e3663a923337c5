"""Snapshots, clones, and the trash."""

import errno

import rbd

from place import RBD, Failure, open_image, open_pool, require_data_pool, require_place
from values import features_from, format_time


NAMESPACES = {
    rbd.RBD_SNAP_NAMESPACE_TYPE_USER: 'user',
    rbd.RBD_SNAP_NAMESPACE_TYPE_GROUP: 'group',
    rbd.RBD_SNAP_NAMESPACE_TYPE_TRASH: 'trash',
}


def namespace_of(cluster, snapshot):
    namespace = {'type': NAMESPACES.get(snapshot['namespace'], 'other')}
    if 'group' not in snapshot:
        return namespace
    group = snapshot['group']
    pool = cluster.pool_reverse_lookup(group['pool'])
    return dict(namespace, **{'pool': pool, 'group': group['name'], 'group snap': group['snap_name']})


def list_snapshots(cluster, ref):
    with open_image(cluster, ref) as image:
        return [
            {
                'id': snapshot['id'],
                'name': snapshot['name'],
                'size': snapshot['size'],
                'timestamp': format_time(image.get_snap_timestamp(snapshot['id'])),
                'namespace': namespace_of(cluster, snapshot),
            }
            for snapshot in image.list_snaps()
        ]


def create_snapshot(cluster, ref, name):
    with open_image(cluster, ref, read_only=False) as image:
        image.create_snap(name)
    return ''


def remove_snapshot(cluster, ref, name=None, number=None):
    with open_image(cluster, ref, read_only=False) as image:
        if number is None:
            image.remove_snap(name)
        else:
            image.remove_snap_by_id(number)
    return ''


def clone_snapshot(cluster, parent, snapshot, ref, layout, dataPool=None):
    options = dict(layout, features=features_from(layout['features']))
    with open_pool(cluster, parent) as source, open_pool(cluster, ref) as target:
        require_data_pool(cluster, dataPool)
        RBD.clone(source, parent['image'], snapshot, target, ref['image'], data_pool=dataPool, **options)
    return ''


def list_clones(cluster, ref):
    with open_image(cluster, ref) as image:
        return [child for child in image.list_children2() if not child['trash']]


def move_to_trash(cluster, ref, delay):
    """`delay`: seconds until the image may be removed."""
    with open_pool(cluster, ref) as ioctx:
        RBD.trash_move(ioctx, ref['image'], delay)
    return ''


def list_trash(cluster, ref):
    with open_pool(cluster, ref) as ioctx:
        require_place(cluster, ref['pool'], ref.get('namespace'))
        return [{'id': entry['id'], 'name': entry['name']} for entry in RBD.trash_list(ioctx)]


# In the words that librbd logs, and `rbd` prints with them.
TRASH_REFUSALS = {
    errno.EPERM: 'deferment time has not expired',
    errno.EINVAL: 'image is not fully moved to trash',
}


def remove_from_trash(cluster, ref):
    with open_pool(cluster, ref) as ioctx:
        try:
            RBD.trash_remove(ioctx, ref['imageId'])
        except rbd.Error as error:
            code = abs(getattr(error, 'errno', None) or 0)
            if code not in TRASH_REFUSALS:
                raise
            raise Failure(code, TRASH_REFUSALS[code])
    return ''
