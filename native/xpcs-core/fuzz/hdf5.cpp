// HDF5 frames: shape, chunking, filters and their parameters, filter masks and the stored bytes of every chunk.
#include "h5/filters.hpp"
#include "hdf5_file.hpp"

namespace {

using namespace xpcs;

void add_filters(hid_t creation, fuzzing::Input& input) {
  const H5Z_filter_t filters[] = {H5Z_FILTER_DEFLATE, H5Z_FILTER_SHUFFLE, H5Z_FILTER_FLETCHER32, 32000, 32004, 32008};
  for (int left = input.choice() % 4; left > 0; --left) {
    const std::uint8_t choice = input.choice();
    const unsigned values[5] = {choice == 7 ? input.value<unsigned>() : 0U, 0, input.choice() % 9U, input.choice(), input.choice() % 3U};
    const H5Z_filter_t filter = filters[choice % 6];
    H5Pset_filter(creation, filter, H5Z_FLAG_OPTIONAL, filter == H5Z_FILTER_DEFLATE ? 1 : 5, values);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzzing::accept_errors([&] {
    fuzzing::Input input(data, size);
    const fuzzing::MemoryFile file;
    {
      const h5::Handle made = fuzzing::create(file);
      h5::register_chunk_filters();
      const h5::Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
      H5Pset_create_intermediate_group(links.id(), 1);
      const h5::Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
      const hsize_t shape[3] = {input.choice() % 9U, 4, 5};
      const hsize_t chunk[3] = {input.choice() % 5U + 1U, input.choice() % 6U + 1U, input.choice() % 7U + 1U};
      const hid_t types[] = {H5T_STD_U8LE, H5T_STD_U16LE, H5T_STD_U32LE, H5T_STD_U16BE};
      H5Pset_chunk(creation.id(), 3, chunk);
      add_filters(creation.id(), input);
      const hsize_t most[3] = {H5S_UNLIMITED, H5S_UNLIMITED, H5S_UNLIMITED};
      const h5::Handle space(H5Screate_simple(3, shape, most), H5Sclose);
      const h5::Handle dataset(H5Dcreate2(made.id(), "/entry/data/data", types[input.choice() % 4], space.id(), links.id(), creation.id(), H5P_DEFAULT), H5Dclose);
      if (!dataset.ok()) return;
      for (hsize_t f = 0; f < shape[0] && input.left() > 0; f += chunk[0]) {
        for (hsize_t r = 0; r < 4 && input.left() > 0; r += chunk[1]) {
          for (hsize_t c = 0; c < 5 && input.left() > 0; c += chunk[2]) {
            const hsize_t offset[3] = {f, r, c};
            const std::uint32_t mask = input.choice() % 8U;
            const auto stored = input.take(input.choice());
            if (!stored.empty()) H5Dwrite_chunk(dataset.id(), H5P_DEFAULT, mask, offset, stored.size(), stored.data());
          }
        }
      }
    }
    ReaderOptions options;
    options.height = 4;
    options.width = 5;
    options.threads = 1;
    const auto reader = open_hdf5(file.path(), options);
    fuzzing::read_to_end(*reader, 20);
  });
}
