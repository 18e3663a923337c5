#!/bin/bash
# Process 1 of the guest. The kernel's command line gives `run_directory`, which the host has prepared:
#   settings       variables: modules; address (with the length of its prefix) and gateway, or neither
#   command        a script: what to run
#   network-ready  the host makes this file when its end of the wire has its address
#   started        is made here when the command starts
#   exit-code      is written here when it has ended
# Standard output of the command goes to the first terminal, its standard error to the second.
set -u
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
readonly module_tree=/usr/lib/uml/modules

# A panic would only make the host wait: whatever goes wrong in here, the machine is switched off.
power_off() {
  sync
  mount -t proc proc /proc 2>/dev/null
  echo u >/proc/sysrq-trigger
  echo o >/proc/sysrq-trigger
  while :; do sleep 1; done
}
trap power_off EXIT

fail() { printf 'guest: %s\n' "$*" >&2; exit 1; }

# The host's files are the guest's, but what it writes is kept in memory and goes with it. Only the directory that
# the host has prepared is the host's own.
enter_overlay() {
  local layers=$run_directory/layers root
  mount -t tmpfs -o size=75% layers "$layers" || fail 'no memory for the files that it writes'
  mkdir "$layers/upper" "$layers/work" "$layers/root"
  root=$layers/root
  insmod "$module_tree/$(uname -r)/kernel/fs/overlayfs/overlay.ko" || fail 'no overlayfs'
  mount -t overlay -o "lowerdir=/,upperdir=$layers/upper,workdir=$layers/work" overlay "$root" || fail 'no overlay'
  mkdir -p "$root/lib/modules"
  mount --bind "$module_tree" "$root/lib/modules"
  mount --bind "$run_directory" "$root$run_directory"
  cd "$root" && pivot_root . . && umount --lazy . || fail 'the overlay does not become the root'
  cd /
}

mount_kernel_file_systems() {
  mount -t proc proc /proc
  mount -t sysfs sysfs /sys
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  mount -t devtmpfs devtmpfs /dev
  mkdir -p /dev/pts /dev/shm
  mount -t devpts devpts /dev/pts
  mount -t tmpfs tmpfs /dev/shm
  mount -t tmpfs tmpfs /run
  mkdir -p /run/lock
  mount --make-rshared /
}

start_network() {
  ip link set lo up
  [ -n "${address:-}" ] || return 0
  # Taking the interface up is what makes the host's end.
  ip address add "$address" dev vec0 && ip link set vec0 up && ip route add default via "$gateway" ||
    fail 'no network'
  until [ -e "$run_directory/network-ready" ]; do sleep 0.1; done
}

load_modules() {
  local module
  for module in $modules; do modprobe "$module" || fail "the module $module cannot be loaded"; done
}

mount -t proc proc /proc || fail 'no /proc'
. "$run_directory/settings"
enter_overlay
mount_kernel_file_systems
hostname guest
start_network
load_modules

: >"$run_directory/started"
# Raw: a terminal would make \r\n of each line's end.
stty -F /dev/tty1 raw -echo
stty -F /dev/tty2 raw -echo
# Through pipes: programs show progress on a terminal, and nobody looks at this one.
mkfifo /run/stdout /run/stderr
cat /run/stdout >/dev/tty1 &
cat /run/stderr >/dev/tty2 &
setsid --wait bash "$run_directory/command" </dev/null >/run/stdout 2>/run/stderr
code=$?
# What the command has left running may hold a pipe open for ever.
for ((look = 0; look < 50; look++)); do
  [ -n "$(jobs -rp)" ] || break
  sleep 0.1
done
# Setting a terminal's mode waits until all its output is on its way.
stty -F /dev/tty1 raw
stty -F /dev/tty2 raw
echo $code >"$run_directory/exit-code"
