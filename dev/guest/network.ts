import { randomInt } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { runProgram } from '../ceph/program.ts';

/** The wire between this machine and a guest: a tap device here, `vec0` there. */
export interface GuestNetwork {
  /** Of the tap device, which the guest makes when it takes its end up, and which goes with the guest. */
  readonly device: string;
  /** The guest's address, with the length of its prefix. */
  readonly address: string;
  /** This machine's address on the wire; the guest reaches every other address of this machine through it. */
  readonly gateway: string;
}

/** Both within 198.18.0.0/15, which is set aside for testing networks: no machine to reach has such an address. */
const CLUSTER_NETWORK = '198.18';
const GUEST_NETWORK = '198.19';

function isTaken(prefix: string): boolean {
  return Object.values(networkInterfaces()).some(entries =>
    entries?.some(({ address }) => address.startsWith(prefix)),
  );
}

/** An address for a cluster that guests reach, which this machine does not have yet. */
export function chooseClusterAddress(): string {
  for (;;) {
    const address = `${CLUSTER_NETWORK}.${randomInt(256)}.${randomInt(1, 255)}`;
    if (!isTaken(address)) return address;
  }
}

/** Of guests of this process: those that start at the same time have no device yet. */
const chosen = new Set<number>();

/** By chance among the networks of four addresses, so that guests of other processes do not take the same. */
export function chooseGuestNetwork(): GuestNetwork {
  for (;;) {
    const number = randomInt(256 * 64);
    const first = 4 * (number % 64);
    const network = `${GUEST_NETWORK}.${number >> 6}`;
    const gateway = `${network}.${first + 1}`;
    if (chosen.has(number) || isTaken(gateway)) continue;
    chosen.add(number);
    return { device: `csi-guest${number}`, address: `${network}.${first + 2}/30`, gateway };
  }
}

/** Whether the guest has made its tap device. */
export function isAttached(network: GuestNetwork): Promise<boolean> {
  return runProgram('ip', ['link', 'show', network.device]).then(
    () => true,
    () => false,
  );
}

/** Gives this machine's end its address. */
export async function configureNetwork({ device, gateway }: GuestNetwork): Promise<void> {
  await runProgram('ip', ['address', 'add', `${gateway}/30`, 'dev', device]);
  await runProgram('ip', ['link', 'set', device, 'up']);
}
