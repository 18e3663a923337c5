"""Images and their metadata. Each operation gives what `rbd` prints, as far as the driver reads it."""

import concurrent.futures
import errno
import struct

import rbd

from place import RBD, Failure, open_image, open_pool, require_data_pool, require_place
from values import features_from, features_of, format_time, is_user_snapshot


def parent_of(image):
    try:
        spec = image.get_parent_image_spec()
    except rbd.ImageNotFound:
        return None
    return {
        'pool': spec['pool_name'],
        'pool_namespace': spec['pool_namespace'],
        'image': spec['image_name'],
        'id': image.parent_id(),
        'snapshot': spec['snap_name'],
    }


def metadata_of(image, key):
    try:
        return image.metadata_get(key)
    except KeyError:
        return None


def watchers_of(image):
    return [{'address': watcher['addr'], 'cookie': watcher['cookie']} for watcher in image.watchers_list()]


def image_info(cluster, ref, key=None, watchers=False):
    """`key` and `watchers` ask for more that needs the image to be open: its metadata's value, who else has it open."""
    with open_image(cluster, ref) as image:
        info = {
            'name': image.get_name(),
            'id': image.id(),
            'size': image.size(),
            'snapshot_count': sum(1 for _ in image.list_snaps()),
            'features': features_of(image),
            'create_timestamp': format_time(image.create_timestamp()),
        }
        parent = parent_of(image)
        if parent is not None:
            info['parent'] = parent
        if key is not None:
            info['metadata'] = metadata_of(image, key)
        if watchers:
            info['watchers'] = watchers_of(image)
        return info


def image_watchers(cluster, ref):
    with open_image(cluster, ref) as image:
        return {'watchers': watchers_of(image)}


def image_usage(cluster, ref):
    """Bytes by snapshot and for the image itself, by whole objects; what it shares with a parent does not count."""
    usages = []

    def measure(image, before):
        sizes = []

        def add(_offset, length, exists):
            if exists:
                sizes.append(length)

        image.diff_iterate(0, image.size(), before, add, include_parent=False, whole_object=True)
        usages.append({'used_size': sum(sizes)})

    with open_image(cluster, ref) as image:
        before = None
        for snapshot in list(image.list_snaps()):
            if is_user_snapshot(snapshot):
                image.set_snap(snapshot['name'])
                measure(image, before)
                before = snapshot['name']
        image.set_snap(None)
        measure(image, before)
    return {'images': usages}


def create_image(cluster, ref, size, layout, metadata, dataPool=None):
    """Makes an image with its metadata, which all of it comes last and at once."""
    with open_pool(cluster, ref) as ioctx:
        require_data_pool(cluster, dataPool)
        options = dict(layout, features=features_from(layout['features']))
        RBD.create(ioctx, ref['image'], size, old_format=False, data_pool=dataPool, **options)
    set_new_metadata(cluster, ref, metadata)
    return ''


def remove_image(cluster, ref):
    with open_pool(cluster, ref) as ioctx:
        RBD.remove(ioctx, ref['image'])
    return ''


def rename_image(cluster, ref, name):
    with open_pool(cluster, ref) as ioctx:
        RBD.rename(ioctx, ref['image'], name)
    return ''


def grow_image(cluster, ref, size):
    with open_image(cluster, ref, read_only=False) as image:
        image.resize(size, allow_shrink=False)
    return ''


def list_images(cluster, ref):
    with open_pool(cluster, ref) as ioctx:
        require_place(cluster, ref['pool'], ref.get('namespace'))
        return RBD.list(ioctx)


# Opening an image waits more than it computes.
LISTING_THREADS = 8


def list_images_and_snapshots(cluster, ref):
    def entries_of(name):
        try:
            with open_image(cluster, dict(ref, image=name)) as image:
                users = [snapshot['name'] for snapshot in image.list_snaps() if is_user_snapshot(snapshot)]
        except rbd.ImageNotFound:
            return []
        return [{'image': name}] + [{'image': name, 'snapshot': snapshot} for snapshot in users]

    with concurrent.futures.ThreadPoolExecutor(LISTING_THREADS) as pool:
        return [entry for entries in pool.map(entries_of, list_images(cluster, ref)) for entry in entries]


# Metadata


def read_metadata(cluster, ref, key):
    with open_image(cluster, ref) as image:
        value = metadata_of(image, key)
    if value is None:
        raise Failure(errno.ENOENT, 'there is no key {}'.format(key))
    return value


def list_metadata(cluster, ref):
    with open_image(cluster, ref) as image:
        return dict(image.metadata_list())


def write_metadata(cluster, ref, key, value):
    with open_image(cluster, ref, read_only=False) as image:
        image.metadata_set(key, value)
    return ''


def remove_metadata(cluster, ref, key):
    with open_image(cluster, ref, read_only=False) as image:
        try:
            image.metadata_remove(key)
        except KeyError:
            raise Failure(errno.ENOENT, 'there is no key {}'.format(key))
    return ''


def set_new_metadata(cluster, ref, metadata):
    """Sets keys of an image that nobody has open yet, all or none of them: by the operation of the OSD that librbd sends
    for each key by itself, after it has opened the image, which takes ten times as long. Who has the image open is not
    told."""
    with open_pool(cluster, ref) as ioctx:
        image_id = ioctx.read('rbd_id.' + ref['image'])[4:].decode()
        ioctx.execute('rbd_header.' + image_id, 'rbd', 'metadata_set', encode_map(metadata))
    return ''


def encode_map(entries):
    parts = [struct.pack('<I', len(entries))]
    for text in (text for entry in sorted(entries.items()) for text in entry):
        parts += [struct.pack('<I', len(text.encode())), text.encode()]
    return b''.join(parts)
