// Frames in HDF5: /entry/data/data (frames, rows, columns), uint8/16/32, plain or with the filters that the installed
// library has (gzip, shuffle). Read in slabs of whole chunks; the zeros are dropped, so frames become events.
#include <algorithm>
#include <array>

#include "../h5/h5.hpp"
#include "xpcs/frame_reader.hpp"

namespace xpcs {
namespace {

constexpr const char* kDataset = "/entry/data/data";
constexpr std::uint64_t kSlabBytes = std::uint64_t{32} << 20;

class Hdf5Reader final : public FrameReader {
 public:
  Hdf5Reader(const std::string& path, const ReaderOptions& options)
      : file_(h5::File::open(path)), data_(H5I_INVALID_HID, H5Dclose), pixels_(std::uint64_t{options.height} * options.width) {
    if (!file_.has(kDataset)) throw Error(Code::unsupported, path + " has no dataset " + kDataset + ", where the frames are expected");
    const auto shape = file_.shape(kDataset);
    if (shape.size() != 3) throw Error(Code::unsupported, std::string(kDataset) + " in " + path + " has " + std::to_string(shape.size()) + " dimensions, not 3 (frame, row, column)");
    const bool same = options.exactShape ? shape[1] == options.height && shape[2] == options.width : shape[1] * shape[2] == pixels_;
    if (!same) {
      throw Error(Code::invalid_argument, std::string("the frames of ") + path + " are " + std::to_string(shape[1]) + " x " + std::to_string(shape[2]) +
                                              " (rows x columns), the q-map is " + std::to_string(options.height) + " x " +
                                              std::to_string(options.width) + "; use the q-map of this detector");
    }
    frames_ = shape[0];
    end_ = frames_;
    if (frames_ == 0) throw Error(Code::corrupt_data, std::string(kDataset) + " in " + path + " holds no frame");
    rows_ = shape[1];
    columns_ = shape[2];
    data_ = h5::Handle(H5Dopen2(file_.id(), kDataset, H5P_DEFAULT), H5Dclose);
    const h5::Handle type(H5Dget_type(data_.id()), H5Tclose);
    wordBytes_ = H5Tget_size(type.id());
    if (H5Tget_class(type.id()) != H5T_INTEGER || H5Tget_sign(type.id()) != H5T_SGN_NONE || (wordBytes_ != 1 && wordBytes_ != 2 && wordBytes_ != 4)) {
      throw Error(Code::unsupported, std::string(kDataset) + " in " + path + " is not uint8, uint16 or uint32");
    }
    check_filters(path);
  }

  void want(std::uint64_t first, std::uint64_t last) override {
    next_ = std::min(first, frames_);
    end_ = last < frames_ ? last + 1 : frames_;
  }

  bool next(FrameBatch& batch) override {
    batch.clear();
    if (next_ >= end_) return false;
    const std::uint64_t n = std::min(slab_frames(), end_ - next_);
    switch (wordBytes_) {
      case 1: read_slab<std::uint8_t>(batch, n, H5T_NATIVE_UINT8); break;
      case 2: read_slab<std::uint16_t>(batch, n, H5T_NATIVE_UINT16); break;
      default: read_slab<std::uint32_t>(batch, n, H5T_NATIVE_UINT32); break;
    }
    next_ += n;
    return true;
  }

  [[nodiscard]] std::uint64_t frames() const override { return frames_; }
  [[nodiscard]] double position() const override { return static_cast<double>(next_) / static_cast<double>(frames_); }
  [[nodiscard]] bool dense() const override { return false; }
  [[nodiscard]] bool openEnded() const override { return false; }

 private:
  void check_filters(const std::string& path) {
    const h5::Handle creation(H5Dget_create_plist(data_.id()), H5Pclose);
    for (int i = 0; i < H5Pget_nfilters(creation.id()); ++i) {
      unsigned flags = 0;
      std::size_t parameters = 0;
      std::array<char, 128> name{};
      const H5Z_filter_t filter = H5Pget_filter2(creation.id(), static_cast<unsigned>(i), &flags, &parameters, nullptr, name.size(), name.data(), nullptr);
      if (H5Zfilter_avail(filter) > 0) continue;
      throw Error(Code::unsupported, std::string(kDataset) + " in " + path + " is compressed with HDF5 filter " + std::to_string(filter) + " (" + name.data() +
                                         "), which is not supported yet; rewrite it with gzip or uncompressed");
    }
    if (H5Pget_layout(creation.id()) == H5D_CHUNKED) {
      std::array<hsize_t, 3> chunk{};
      H5Pget_chunk(creation.id(), 3, chunk.data());
      chunkFrames_ = std::max<std::uint64_t>(chunk[0], 1);
    }
  }

  /// Frames of the next slab: whole chunks within kSlabBytes, so that no chunk is decoded twice; parts of a chunk only
  /// where one alone is larger.
  [[nodiscard]] std::uint64_t slab_frames() const {
    const std::uint64_t fit = std::max<std::uint64_t>(kSlabBytes / (pixels_ * wordBytes_), 1);
    if (fit < chunkFrames_) return fit;
    return fit / chunkFrames_ * chunkFrames_ - next_ % chunkFrames_;
  }

  template <class Word>
  void read_slab(FrameBatch& batch, std::uint64_t n, hid_t memoryType) {
    static_assert(sizeof(Word) <= 4);
    buffer_.resize(static_cast<std::size_t>(n * pixels_ * sizeof(Word)));
    const std::array<hsize_t, 3> start{next_, 0, 0};
    const std::array<hsize_t, 3> count{n, rows_, columns_};
    const h5::Handle space(H5Dget_space(data_.id()), H5Sclose);
    const h5::Handle memory(H5Screate_simple(3, count.data(), nullptr), H5Sclose);
    H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr);
    if (H5Dread(data_.id(), memoryType, memory.id(), space.id(), H5P_DEFAULT, buffer_.data()) < 0) {
      throw Error(Code::corrupt_data, "frames " + std::to_string(next_ + 1) + " to " + std::to_string(next_ + n) + " of " + file_.path() +
                                          " cannot be read: the file is truncated or a chunk is damaged; copy it again");
    }
    const auto* words = reinterpret_cast<const Word*>(buffer_.data());
    for (std::uint64_t i = 0; i < n; ++i) {
      const Word* row = words + i * pixels_;
      for (std::uint32_t p = 0; p < pixels_; ++p) {
        if (row[p] == 0) continue;
        batch.frame.push_back(static_cast<std::uint32_t>(next_ + i));
        batch.pixel.push_back(p);
        batch.count.push_back(static_cast<std::int64_t>(row[p]));
      }
    }
  }

  h5::File file_;
  h5::Handle data_;
  std::uint64_t pixels_;
  std::uint64_t frames_ = 0;
  std::uint64_t next_ = 0;
  std::uint64_t end_ = 0;
  hsize_t rows_ = 0;
  hsize_t columns_ = 0;
  std::size_t wordBytes_ = 0;
  std::uint64_t chunkFrames_ = 1;
  std::vector<std::byte> buffer_;
};

}  // namespace

std::unique_ptr<FrameReader> open_hdf5(const std::string& path, const ReaderOptions& options) {
  return std::make_unique<Hdf5Reader>(path, options);
}

}  // namespace xpcs
