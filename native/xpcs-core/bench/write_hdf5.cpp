// Frames in HDF5 as the detectors write them, without a filter.
#include "h5_file.hpp"
#include "write_files.hpp"

namespace xpcs::bench {
namespace {

/// Above this mean every pixel is drawn; below, only those with photons.
constexpr double kDenseMean = 0.2;

template <class Word>
std::uint64_t write_frames(const Series& series, hid_t data, hid_t transfer) {
  const auto& shape = series.shape();
  std::vector<Word> image(shape.pixels());
  std::vector<std::uint16_t> counts;
  FrameEvents events;
  std::uint64_t total = 0;
  for (std::uint64_t frame = 0; frame < shape.frames; ++frame) {
    if (shape.mean > kDenseMean) {
      series.dense(frame, counts);
      for (std::size_t p = 0; p < counts.size(); ++p) {
        image[p] = static_cast<Word>(counts[p]);
        total += counts[p] > 0 ? 1 : 0;
      }
    } else {
      for (const std::uint32_t pixel : events.pixel) image[pixel] = 0;
      series.events(frame, events);
      for (std::size_t j = 0; j < events.pixel.size(); ++j) image[events.pixel[j]] = static_cast<Word>(events.count[j]);
      total += events.pixel.size();
    }
    const hsize_t offset[3] = {frame, 0, 0};
    if (H5Dwrite_chunk(data, transfer, 0, offset, image.size() * sizeof(Word), image.data()) < 0) {
      fail("HDF5 cannot write frame " + std::to_string(frame) + ": is the disk full?");
    }
  }
  return total;
}

}  // namespace

std::uint64_t write_hdf5(const Series& series, const std::string& path, std::size_t wordBytes) {
  const auto& shape = series.shape();
  if (wordBytes == 1 && largest_count(shape.mean) > 255) fail("counts of this mean do not fit 8 bits");
  const H5File file(path);
  const hsize_t extent[3] = {shape.frames, shape.rows, shape.columns};
  const hsize_t chunk[3] = {1, shape.rows, shape.columns};
  const hid_t type = wordBytes == 1 ? H5T_STD_U8LE : wordBytes == 2 ? H5T_STD_U16LE : H5T_STD_U32LE;
  const hid_t space = H5Screate_simple(3, extent, nullptr);
  const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(creation, 3, chunk);
  const hid_t links = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(links, 1);
  const hid_t data = checked(H5Dcreate2(file.id(), "/entry/data/data", type, space, links, creation, H5P_DEFAULT), "/entry/data/data in " + path);
  const hid_t transfer = H5Pcreate(H5P_DATASET_XFER);
  std::uint64_t total = 0;
  switch (wordBytes) {
    case 1: total = write_frames<std::uint8_t>(series, data, transfer); break;
    case 2: total = write_frames<std::uint16_t>(series, data, transfer); break;
    default: total = write_frames<std::uint32_t>(series, data, transfer); break;
  }
  H5Pclose(transfer);
  H5Dclose(data);
  H5Pclose(links);
  H5Pclose(creation);
  H5Sclose(space);
  return total;
}

}  // namespace xpcs::bench
