/** The object that an image is opened by: what is made first of one, and removed last. */
export function headerObject(imageId: string): string {
  return `rbd_header.${imageId}`;
}

/** The object that holds the ID behind an image's name. */
export function nameObject(image: string): string {
  return `rbd_id.${image}`;
}

const LENGTH = 4;

/** A text that Ceph keeps behind its length, of four bytes. */
export function decodeText(value: string): string {
  return value.slice(LENGTH);
}
