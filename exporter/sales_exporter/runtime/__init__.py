"""The running exporter: clock, scheduler, pages of the last good snapshots, and the server that hands them out."""
