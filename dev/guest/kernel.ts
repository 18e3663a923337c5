import { access } from 'node:fs/promises';

/** Of Debian's package user-mode-linux: the Linux kernel as a program. */
export const KERNEL_PROGRAM = '/usr/bin/linux.uml';

/** Why no guest can run here, in words; undefined when one can. */
export async function findObstacle(): Promise<string | undefined> {
  const needs = {
    [KERNEL_PROGRAM]: 'the Debian package user-mode-linux is not installed',
    '/usr/sbin/modprobe': 'the Debian package kmod is not installed',
    '/dev/net/tun': 'this machine has no tap devices',
  };
  for (const [file, obstacle] of Object.entries(needs)) {
    const exists = await access(file).then(
      () => true,
      () => false,
    );
    if (!exists) return obstacle;
  }
  return process.getuid?.() === 0 ? undefined : 'only root can give this machine the address of a network';
}
