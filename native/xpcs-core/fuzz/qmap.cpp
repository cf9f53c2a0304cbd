// A q-map of pySimpleMask with any types, shapes and values, up to the partition.
#include "hdf5_file.hpp"
#include "job_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace xpcs;
  return fuzzing::accept_errors([&] {
    fuzzing::Input input(data, size);
    const fuzzing::MemoryFile file;
    {
      const h5::Handle made = fuzzing::create(file);
      for (const char* name : {"/qmap/dynamic_roi_map", "/qmap/static_roi_map", "/qmap/mask"}) fuzzing::write_dataset(made, name, input, {4, 5});
    }
    Settings settings;
    read_qmap_file(h5::File::open(file.path()), settings);
    make_partition(settings.reader.height, settings.reader.width, settings.dqmap, settings.sqmap, (size & 1) != 0 ? SplitBins::error : SplitBins::drop_minority);
  });
}
