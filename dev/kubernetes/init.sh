#!/bin/sh
# The first process of the node, in namespaces of its own: makes its part of the file system, tells so through the
# file $DIRECTORY/ready, and buries its dead. $CONTROL_GROUP is the path of the node below each cgroup hierarchy.
set -eu

for hierarchy in /sys/fs/cgroup/*; do
  [ ! -d "$hierarchy/$CONTROL_GROUP" ] || echo 0 >"$hierarchy/$CONTROL_GROUP/system/cgroup.procs"
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
