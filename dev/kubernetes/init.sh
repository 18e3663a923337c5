#!/bin/sh
# The first process of the node, in namespaces of its own: makes its part of the file system, tells so through the
# file $DIRECTORY/ready, and buries its dead. $CONTROL_GROUP is the path of the node below each cgroup hierarchy.
set -eu

for hierarchy in /sys/fs/cgroup/*; do
  [ ! -d "$hierarchy/$CONTROL_GROUP" ] || echo 0 >"$hierarchy/$CONTROL_GROUP/system/cgroup.procs"
done

# A copy of a mount keeps its file system in use, and its daemon alive, after the machine has unmounted it: of the
# mounts that were copied into this namespace, only those stay on which something that the node needs lies.
is_needed() {
  case $1 in / | /proc | /proc/* | /sys | /sys/* | /dev | /dev/*) return 0 ;; esac
  for path in "$DIRECTORY" "$IMAGE_STORE" /etc /usr /var/lib; do
    case $path/ in "$1"/*) return 0 ;; esac
  done
  return 1
}
tac /proc/self/mountinfo | while read -r _ _ _ _ path _; do
  mount_point=$(printf '%b' "$path")
  # One may have gone with the one that it was mounted on.
  is_needed "$mount_point" || umount --lazy --no-canonicalize "$mount_point" 2>/dev/null || :
done

hostname "$NODE_NAME"
ip link set lo up

# What the node writes here stays in its directory, and the machine keeps its own.
for path in /etc /usr/lib /var/lib; do
  changes=$DIRECTORY/changes$path
  mkdir -p "$changes/upper" "$changes/work"
  mount -t overlay -o "lowerdir=$path,upperdir=$changes/upper,workdir=$changes/work" overlay "$path"
done
own() {
  mkdir -p "$1" "$2"
  mount --bind "$1" "$2"
}
own "$DIRECTORY/run" /run
own "$DIRECTORY/log" /var/log
own "$DIRECTORY/kubelet" /var/lib/kubelet
own "$IMAGE_STORE" /var/lib/containerd

# The kubelet insists on these and would set them for the whole machine: it is shown what it wants to see.
while read -r name value; do
  echo "$value" >"$DIRECTORY/sysctl-${name##*/}"
  mount --bind "$DIRECTORY/sysctl-${name##*/}" "/proc/sys/$name"
done <<END
vm/overcommit_memory 1
kernel/panic 10
kernel/panic_on_oops 1
END

# What a container mounts into a shared directory has to arrive on the node.
mount --make-rshared /

touch "$DIRECTORY/ready"
trap 'exit 0' TERM
while :; do
  sleep 3600 &
  wait $! || :
done
