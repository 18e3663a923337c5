"""Where operations work: pools, namespaces and images, as src/ceph/rbd-session.ts names them in a ref: {pool, namespace?},
with {image} or {imageId}."""

import contextlib
import errno

import rados
import rbd

RBD = rbd.RBD()


class Failure(Exception):
    """An errno, with the words that say more than its name."""

    def __init__(self, code, reason, out=''):
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.out = out


def require_pool(cluster, pool):
    """Raises a Failure in the words of `rbd` if there is no such pool."""
    if not cluster.pool_exists(pool):
        raise Failure(errno.ENOENT, "error opening pool '{}': (2) No such file or directory".format(pool))


def require_place(cluster, pool, namespace):
    """As require_pool, and for a namespace of images, which users of other objects may not ask for."""
    require_pool(cluster, pool)
    if namespace:
        with cluster.open_ioctx(pool) as ioctx:
            if not RBD.namespace_exists(ioctx, namespace):
                raise Failure(errno.ENOENT, "namespace '{}' does not exist.".format(namespace))


@contextlib.contextmanager
def open_objects(cluster, ref):
    """The objects of the pool, or of the namespace of it, that a ref names: a namespace is there as soon as one is in it."""
    pool = ref['pool']
    try:
        with cluster.open_ioctx(pool) as ioctx:
            ioctx.set_namespace(ref.get('namespace', ''))
            yield ioctx
    except rados.ObjectNotFound:
        # The pool may have gone since this client was last told which there are.
        cluster.wait_for_latest_osdmap()
        require_pool(cluster, pool)
        raise


@contextlib.contextmanager
def open_pool(cluster, ref):
    """As open_objects, for images."""
    try:
        with open_objects(cluster, ref) as ioctx:
            yield ioctx
    except (rados.ObjectNotFound, rbd.ImageNotFound):
        cluster.wait_for_latest_osdmap()
        require_place(cluster, ref['pool'], ref.get('namespace', ''))
        raise


@contextlib.contextmanager
def open_image(cluster, ref, read_only=True):
    """The image that a ref names. Only one that is opened for writing is seen by others to be open."""
    with open_pool(cluster, ref) as ioctx:
        name, image_id = ref.get('image'), ref.get('imageId')
        with rbd.Image(ioctx, name, read_only=read_only, image_id=image_id) as image:
            yield image


def require_data_pool(cluster, pool):
    if pool is not None and not cluster.pool_exists(pool):
        raise Failure(errno.ENOENT, 'data pool {} does not exist'.format(pool))


def text_of(data):
    return data.decode('utf-8', 'replace')
