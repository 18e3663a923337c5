"""Stays connected to a Ceph cluster as one of its users, and runs the operations that come as lines of JSON on standard
input, several at a time; each is answered by a line on standard output. What it does is in operations.py.

It is a process of its own, not a part of the driver, so that a call into Ceph's libraries that hangs or crashes takes
nothing else with it: the driver kills it and starts another one."""

import concurrent.futures
import json
import os
import sys
import threading

import rados
import rbd

from operations import OPERATIONS
from place import Failure

# Operations at a time; those beyond wait. Making a snapshot is to wait for the monitors, which takes many at once.
THREADS = 32
# Seconds that what was begun may go on when the driver is gone: a client that ends half-way leaves its lock behind.
LINGER = 30
# For what has no errno.
EIO = 5

output = threading.Lock()
closing = threading.Event()


def say(message):
    with output:
        sys.stdout.write(json.dumps(message) + '\n')
        sys.stdout.flush()


def connect(hello):
    """The first line has all there is to know of the cluster: so the key is in no argument and on no disk."""
    settings = {
        'mon_host': hello['monitors'],
        'key': hello['key'],
        'keyring': '/dev/null',
        'log_file': '',
        'admin_socket': '',
        'client_mount_timeout': str(hello['timeout']),
        # The snapshot that a clone lives from needs no protection, and may be removed.
        'rbd_default_clone_format': '2',
    }
    cluster = rados.Rados(rados_id=hello['userId'], conf=settings)
    cluster.connect()
    return cluster


def code_of(error):
    return abs(getattr(error, 'errno', None) or EIO)


def run(cluster, request):
    """The fields of the answer. Failures are told as the programs `rbd` and `rados` tell them: an errno, and a text."""
    try:
        out = OPERATIONS[request['operation']](cluster, **request['args'])
        return {'code': 0, 'out': out if isinstance(out, str) else json.dumps(out), 'reason': ''}
    except Failure as failure:
        return {'code': failure.code, 'out': failure.out, 'reason': failure.reason}
    except (rados.Error, rbd.Error) as error:
        code = code_of(error)
        return {'code': code, 'out': '', 'reason': '({}) {}'.format(code, os.strerror(code))}
    except Exception as error:
        return {'code': EIO, 'out': '', 'reason': repr(error)}


def answer(cluster, request):
    if not closing.is_set():
        say(dict(run(cluster, request), id=request['id']))


def serve(cluster):
    pool = concurrent.futures.ThreadPoolExecutor(THREADS)
    for line in iter(sys.stdin.readline, ''):
        pool.submit(answer, cluster, json.loads(line))
    closing.set()
    bound = threading.Timer(LINGER, os._exit, [1])
    bound.daemon = True
    bound.start()
    pool.shutdown()


def main():
    try:
        cluster = connect(json.loads(sys.stdin.readline()))
    except rados.Error as error:
        say({'refused': code_of(error), 'reason': str(error)})
    else:
        say({'ready': True})
        serve(cluster)
    # Without taking the connection down in good order, which waits for a cluster that does not answer.
    os._exit(0)


main()
