// Files that grow under a running measurement, one after the other as the files of a folder: IMM of any bytes, cut, with reserved space, replaced by
// shorter ones; sound HDF5 files whose extent and stored chunks grow.
#include <fcntl.h>

#include <optional>

#include "live_input.hpp"

namespace {

using namespace xpcs;

void replace(const fuzzing::MemoryFile& file, const std::vector<std::uint8_t>& bytes) {
  const int fd = ::open(file.path().c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0 || ::ftruncate(fd, 0) != 0 || ::pwrite(fd, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) std::abort();
  ::close(fd);
}

/// A file of frames that its writer adds to; HDF5 cannot have it open here for two, so the reader sees a copy.
class Hdf5Writer {
 public:
  explicit Hdf5Writer(fuzzing::Input& input) : framesOfChunk_(input.choice() % 4U + 1) {
    const hid_t types[] = {H5T_STD_U8LE, H5T_STD_U16LE, H5T_STD_U32LE, H5T_STD_I16LE};
    const h5::Handle file = fuzzing::create(file_);
    const h5::Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
    H5Pset_create_intermediate_group(links.id(), 1);
    const h5::Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    const hsize_t shape[3] = {0, fuzzing::kRows, fuzzing::kColumns};
    const hsize_t chunk[3] = {framesOfChunk_, fuzzing::kRows - input.choice() % 2U, fuzzing::kColumns};
    const hsize_t most[3] = {H5S_UNLIMITED, fuzzing::kRows, fuzzing::kColumns};
    H5Pset_chunk(creation.id(), 3, chunk);
    if (input.choice() % 2 != 0) H5Pset_filter(creation.id(), 32008, H5Z_FLAG_OPTIONAL, 0, nullptr);
    const h5::Handle space(H5Screate_simple(3, shape, most), H5Sclose);
    const h5::Handle data(H5Dcreate2(file.id(), kDataset, types[input.choice() % 4], space.id(), links.id(), creation.id(), H5P_DEFAULT), H5Dclose);
    if (!data.ok()) std::abort();
  }

  /// More extent, and a chunk somewhere in it.
  void grow(fuzzing::Input& input) {
    frames_ += input.choice() % 8U;
    const std::uint8_t place = input.choice();
    const auto stored = input.take(input.choice());
    const h5::Handle file(H5Fopen(file_.path().c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
    const h5::Handle data(H5Dopen2(file.id(), kDataset, H5P_DEFAULT), H5Dclose);
    const hsize_t shape[3] = {frames_, fuzzing::kRows, fuzzing::kColumns};
    H5Dset_extent(data.id(), shape);
    if (frames_ == 0 || stored.empty()) return;
    const hsize_t offset[3] = {place % frames_ / framesOfChunk_ * framesOfChunk_, (place & 64) != 0 ? fuzzing::kRows - 1 : 0, 0};
    H5Dwrite_chunk(data.id(), H5P_DEFAULT, place >> 7, offset, stored.size(), stored.data());
  }
  /// May be called while no handle of it is open.
  [[nodiscard]] std::vector<std::uint8_t> bytes() const {
    std::vector<std::uint8_t> out;
    const int fd = ::open(file_.path().c_str(), O_RDONLY | O_CLOEXEC);
    const off_t size = ::lseek(fd, 0, SEEK_END);
    out.resize(static_cast<std::size_t>(size));
    if (::pread(fd, out.data(), out.size(), 0) != size) std::abort();
    ::close(fd);
    return out;
  }

 private:
  static constexpr const char* kDataset = "/entry/data/data";
  fuzzing::MemoryFile file_;
  hsize_t framesOfChunk_, frames_ = 0;
};

void look(LiveSeries& series, fuzzing::Input& input, bool ended) {
  const std::uint64_t before = series.frames();
  const std::uint64_t end = input.choice() % 4 == 0 ? before + 2 : std::numeric_limits<std::int64_t>::max();
  for (;;) {
    const std::uint64_t now = series.frames();
    const FilePiece piece = series.take_file(end, ended);
    if (series.frames() != now + piece.frames || series.frames() > end) std::abort();
    if (piece.frames == 0) return;
  }
}

void run(fuzzing::Input& input) {
  const std::uint8_t how = input.choice();
  const bool isHdf5 = (how & 1) != 0;
  LiveSeries series = fuzzing::live_series();
  for (int file = 0; file < 3 && input.left() > 0; ++file) {
    const fuzzing::MemoryFile seen;
    std::vector<std::uint8_t> bytes;
    std::optional<Hdf5Writer> writer;
    if (isHdf5) writer.emplace(input);
    series.open_file(seen.path(), isHdf5 ? Format::hdf5 : Format::imm);
    bool ended = false;
    while (!ended && input.left() > 0) {
      const std::uint8_t choice = input.choice();
      ended = choice % 8 == 7;
      if (choice % 8 == 6) {
        bytes.resize(bytes.size() * (choice >> 3) / 32);
      } else if (choice % 8 == 5) {
        bytes.resize(bytes.size() + 8U * (choice >> 3), 0);
      } else if (isHdf5) {
        writer->grow(input);
        bytes = writer->bytes();
      } else {
        const auto more = input.take((choice & 1) != 0 ? 16U * choice : choice);
        bytes.insert(bytes.end(), more.begin(), more.end());
      }
      replace(seen, bytes);
      look(series, input, ended);
    }
    if ((how & 4) != 0) series.gap(input.choice());
  }
  fuzzing::check_series(series);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzzing::accept_errors([&] {
    fuzzing::Input input(data, size);
    run(input);
  });
}
