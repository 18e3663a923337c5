"""What server.py can be asked for, by name: functions of the cluster and of named arguments. Each gives what the program
of the same purpose prints (`rbd info --format json`): a text, or what becomes JSON. It raises the errors of Ceph's
modules, or a Failure."""

import images
import objects
import snapshots

OPERATIONS = {
    operation.__name__: operation
    for operation in (
        images.image_info,
        images.image_watchers,
        images.image_usage,
        images.create_image,
        images.remove_image,
        images.rename_image,
        images.grow_image,
        images.list_images,
        images.list_images_and_snapshots,
        images.read_metadata,
        images.list_metadata,
        images.write_metadata,
        images.remove_metadata,
        images.set_new_metadata,
        snapshots.list_snapshots,
        snapshots.create_snapshot,
        snapshots.remove_snapshot,
        snapshots.clone_snapshot,
        snapshots.list_clones,
        snapshots.move_to_trash,
        snapshots.list_trash,
        snapshots.remove_from_trash,
        objects.read_object,
        objects.stat_object,
        objects.read_omap_value,
        objects.list_omap_keys,
        objects.write_omap_value,
        objects.remove_omap_key,
        objects.monitor_command,
        objects.manager_command,
    )
}
