"""How long Ceph itself takes for what a CSI controller does, without a driver: librbd, and the manager's commands for
subvolumes, asked by threads of this process over one connection. A line of JSON on standard input says where and how
much (library.ts), the key among it; what was seen is printed as JSON."""

import concurrent.futures
import json
import sys
import time

import rados
import rbd

GIB = 1024**3
FEATURES = (
    rbd.RBD_FEATURE_LAYERING
    | rbd.RBD_FEATURE_EXCLUSIVE_LOCK
    | rbd.RBD_FEATURE_OBJECT_MAP
    | rbd.RBD_FEATURE_FAST_DIFF
    | rbd.RBD_FEATURE_DEEP_FLATTEN
)
RBD = rbd.RBD()


class Images:
    """Each method is one call's work, and no more than that."""

    def __init__(self, cluster, plan):
        self.ioctx = cluster.open_ioctx(plan['pool'])

    def open(self, name, read_only=False):
        return rbd.Image(self.ioctx, name, read_only=read_only)

    def create(self, volume):
        RBD.create(self.ioctx, volume, GIB, old_format=False, features=FEATURES)

    def look(self, volume):
        with self.open(volume, read_only=True) as image:
            image.size()

    def expand(self, volume):
        with self.open(volume) as image:
            image.resize(2 * GIB)

    def snapshot(self, volume, snapshot):
        with self.open(volume) as image:
            image.create_snap(snapshot)

    def copy(self, volume, snapshot, target):
        RBD.clone(self.ioctx, volume, snapshot, self.ioctx, target, features=FEATURES)

    def delete_snapshot(self, volume, snapshot):
        with self.open(volume) as image:
            image.remove_snap(snapshot)

    def delete(self, volume):
        RBD.trash_move(self.ioctx, volume, 0)

    def clean_up(self, volumes):
        """In this order, since a copy holds on to what it was made of."""
        ids = {entry['name']: entry['id'] for entry in RBD.trash_list(self.ioctx)}
        for volume in volumes:
            RBD.trash_remove(self.ioctx, ids[volume])


class Subvolumes:
    def __init__(self, cluster, plan):
        self.cluster = cluster
        self.place = {'vol_name': plan['fsName'], 'group_name': plan['group']}
        self.pause = plan['pause']
        self.run('fs subvolumegroup create')

    def run(self, prefix, **args):
        command = dict(self.place, prefix=prefix, format='json', **args)
        code, out, reason = self.cluster.mgr_command(json.dumps(command), b'')
        if code != 0:
            raise Exception('{}: {} {}'.format(prefix, code, reason))
        return out

    def create(self, volume):
        self.run('fs subvolume create', sub_name=volume, size=GIB)

    def look(self, volume):
        self.run('fs subvolume info', sub_name=volume)

    def expand(self, volume):
        self.run('fs subvolume resize', sub_name=volume, new_size=str(2 * GIB))

    def snapshot(self, volume, snapshot):
        self.run('fs subvolume snapshot create', sub_name=volume, snap_name=snapshot)

    def copy(self, volume, snapshot, target):
        home = self.place['group_name']
        names = dict(sub_name=volume, snap_name=snapshot, target_sub_name=target, target_group_name=home)
        self.run('fs subvolume snapshot clone', **names)
        while json.loads(self.run('fs clone status', clone_name=target))['status']['state'] != 'complete':
            time.sleep(self.pause)

    def delete_snapshot(self, volume, snapshot):
        self.run('fs subvolume snapshot rm', sub_name=volume, snap_name=snapshot)

    def delete(self, volume):
        self.run('fs subvolume rm', sub_name=volume)

    def clean_up(self, volumes):
        """The manager does that."""


def measure(tasks, concurrency):
    """Each task is a function and its arguments."""
    times, errors = [], []

    def run(task):
        started = time.monotonic()
        try:
            task[0](*task[1:])
            times.append((time.monotonic() - started) * 1000)
        except Exception as error:
            errors.append(repr(error))

    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(concurrency) as pool:
        list(pool.map(run, tasks))
    return {'times': times, 'errors': errors, 'seconds': time.monotonic() - started}


def clone(store, volume, snapshot, target):
    store.snapshot(volume, snapshot)
    store.copy(volume, snapshot, target)


def observe(store, plan):
    """By operation, what was seen of those that were asked for; in the order of operation.ts."""
    names = [plan['run'] + str(index) for index in range(plan['volumes'])]
    sources = names[: plan['copies']]
    seen = {}

    def do(operation, tasks):
        if operation in plan['operations']:
            seen[operation] = measure(tasks, plan['concurrency'])
            return tasks
        return []

    do('create', [(store.create, name) for name in names])
    do('create again', [(store.look, name) for name in names])
    do('snapshot', [(store.snapshot, name, 'snap') for name in sources])
    copied = do('restore', [(store.copy, name, 'snap', name + '-restore') for name in sources])
    cloned = do('clone', [(clone, store, name, 'passing', name + '-clone') for name in sources])
    do('expand', [(store.expand, name) for name in names])
    if cloned:
        measure([(store.delete_snapshot, name, 'passing') for name in sources], plan['concurrency'])
    do('delete snapshot', [(store.delete_snapshot, name, 'snap') for name in sources])
    # A copy is the last argument of what has made it.
    gone = [task[-1] for task in copied + cloned] + names
    if do('delete', [(store.delete, name) for name in gone]):
        store.clean_up(gone)
    return seen


def main():
    plan = json.loads(sys.stdin.readline())
    settings = {
        'mon_host': plan['monitors'],
        'key': plan['key'],
        'keyring': '/dev/null',
        'log_file': '',
        'admin_socket': '',
        'rbd_default_clone_format': '2',
    }
    cluster = rados.Rados(rados_id=plan['userId'], conf=settings)
    cluster.connect()
    store = (Images if 'pool' in plan else Subvolumes)(cluster, plan)
    print(json.dumps(observe(store, plan)))


main()
