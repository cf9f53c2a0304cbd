// IMM: frames back to back, each a 1024-byte header and its payload, little-endian. Sparse: dlen x int32 row-major
// pixel, then dlen x int16 count. Dense: dlen x int16, value j belongs to pixel j. The first header's compression
// field decides for the whole file (docs/formats.md; layout from 8-ID's struct definition and XPCS-Eigen's reader).
#include <algorithm>
#include <cstring>
#include <limits>

#include "little_endian.hpp"
#include "xpcs/error.hpp"
#include "xpcs/frame_reader.hpp"

namespace xpcs {
namespace {

constexpr std::size_t kHeaderBytes = 1024;
constexpr std::size_t kBatchEvents = std::size_t{1} << 18;
constexpr std::size_t kDenseRows = std::size_t{1} << 23;  // counts in one batch of whole frames

struct Header {
  std::int32_t compression;
  std::int32_t rows;
  std::int32_t cols;
  double elapsedS;
  std::uint32_t dlen;
  std::int32_t corecotick;
};

Header parse_header(std::span<const std::byte> bytes) {
  return {load<std::int32_t>(bytes, 4), load<std::int32_t>(bytes, 108), load<std::int32_t>(bytes, 112),
          load<double>(bytes, 128),     load<std::uint32_t>(bytes, 152), load<std::int32_t>(bytes, 620)};
}

class ImmReader final : public FrameReader {
 public:
  ImmReader(std::unique_ptr<ByteSource> source, const ReaderOptions& options)
      : source_(std::move(source)), cursor_(*source_), options_(options), pixels_(std::uint64_t{options.height} * options.width) {
    if (source_->size() == 0) throw Error(Code::corrupt_data, "the IMM file is empty (0 bytes): no frame to read");
    std::vector<std::byte> first(kHeaderBytes);
    if (source_->read(0, first) < kHeaderBytes) {
      throw Error(Code::corrupt_data, "truncated IMM file: the first frame header needs 1024 bytes, the file has " +
                                          std::to_string(source_->size()) + "; copy the file again");
    }
    const Header header = parse_header(first);
    sparse_ = header.compression != 0;
    check_shape(header);
  }

  void want(std::uint64_t first, std::uint64_t last) override {
    first_ = first;
    last_ = last;
  }

  bool next(FrameBatch& batch) override {
    batch.clear();
    while (cursor_.remaining() > 0 && frame_ < first_) read_frame(batch);
    batch.headerStart = frame_;
    while (cursor_.remaining() > 0 && frame_ <= last_ && batch.frame.size() < kBatchEvents) read_frame(batch);
    return !batch.clockS.empty();
  }

  bool next_dense(FrameBatch& headers, std::vector<std::uint16_t>& rows) override {
    headers.clear();
    rows.clear();
    rows_ = &rows;
    while (cursor_.remaining() > 0 && frame_ < first_) read_frame(headers);
    headers.headerStart = frame_;
    while (cursor_.remaining() > 0 && frame_ <= last_ && (rows.empty() || rows.size() + pixels_ <= kDenseRows)) read_frame(headers);
    rows_ = nullptr;
    return !headers.clockS.empty();
  }

  [[nodiscard]] std::uint64_t frames() const override { return frame_; }
  [[nodiscard]] double position() const override {
    return static_cast<double>(cursor_.position()) / static_cast<double>(source_->size());
  }
  [[nodiscard]] bool dense() const override { return !sparse_; }
  [[nodiscard]] bool openEnded() const override { return false; }

 private:
  void check_shape(const Header& header) const {
    if (header.rows <= 0 || header.cols <= 0) return;  // some writers leave the fields empty
    const auto rows = static_cast<std::uint64_t>(header.rows);
    const auto cols = static_cast<std::uint64_t>(header.cols);
    const bool same = options_.exactShape ? rows == options_.height && cols == options_.width : rows * cols == pixels_;
    if (!same) {
      throw Error(Code::invalid_argument, "the IMM file's frames are " + std::to_string(rows) + " x " + std::to_string(cols) +
                                              " (rows x columns), the q-map is " + std::to_string(options_.height) + " x " +
                                              std::to_string(options_.width) + "; use the q-map of this detector");
    }
  }

  [[noreturn]] void fail(std::uint64_t at, const std::string& what) const {
    throw Error(Code::corrupt_data, "IMM frame " + std::to_string(frame_ + 1) + " at byte " + std::to_string(at) + ": " + what);
  }

  void read_frame(FrameBatch& batch) {
    const std::uint64_t at = cursor_.position();
    const auto headerBytes = cursor_.take(kHeaderBytes);
    if (headerBytes.size() < kHeaderBytes) fail(at, "truncated header (the file ends " + std::to_string(kHeaderBytes - headerBytes.size()) + " bytes early)");
    const Header header = parse_header(headerBytes);
    const std::size_t valueBytes = sparse_ ? 6 : 2;
    const std::uint64_t payload = std::uint64_t{header.dlen} * valueBytes;
    if (payload > cursor_.remaining()) {
      fail(at, "truncated: the header announces " + std::to_string(header.dlen) + " values (" + std::to_string(payload) + " bytes), " +
                   std::to_string(cursor_.remaining()) + " bytes are left");
    }
    if (!sparse_ && header.dlen != pixels_) {
      fail(at, "a dense frame of " + std::to_string(header.dlen) + " values does not fit the q-map of " + std::to_string(pixels_) + " pixels");
    }
    if (frame_ < first_) {
      cursor_.skip(payload);
      ++frame_;
      return;
    }
    const auto values = cursor_.take(static_cast<std::size_t>(payload));
    if (values.size() < payload) fail(at, "the file shrank while it was read");
    if (rows_ != nullptr) {
      const auto* counts = reinterpret_cast<const std::uint16_t*>(values.data());
      rows_->insert(rows_->end(), counts, counts + pixels_);
    } else if (sparse_) {
      add_sparse(batch, values, header.dlen, at);
    } else {
      add_dense(batch, values);
    }
    batch.clockS.push_back(header.elapsedS);
    batch.tick.push_back(header.corecotick);
    ++frame_;
  }

  void add_sparse(FrameBatch& batch, std::span<const std::byte> bytes, std::uint32_t n, std::uint64_t at) {
    const std::size_t from = batch.frame.size();
    batch.frame.resize(from + n, static_cast<std::uint32_t>(frame_));
    batch.pixel.resize(from + n);
    batch.count.resize(from + n);
    if (n == 0) return;
    std::memcpy(batch.pixel.data() + from, bytes.data(), std::size_t{4} * n);
    const auto largest = std::max_element(batch.pixel.begin() + static_cast<std::ptrdiff_t>(from), batch.pixel.end());
    if (*largest >= pixels_) {
      const std::uint64_t offset = at + kHeaderBytes + 4 * static_cast<std::uint64_t>(largest - batch.pixel.begin() - static_cast<std::ptrdiff_t>(from));
      fail(offset, "pixel index " + std::to_string(static_cast<std::int32_t>(*largest)) + " is outside the detector of " + std::to_string(pixels_) + " pixels");
    }
    const std::span<const std::byte> values = bytes.subspan(std::size_t{4} * n);
    if (options_.unsignedCounts) {
      for (std::size_t j = 0; j < n; ++j) batch.count[from + j] = load<std::uint16_t>(values, 2 * j);
    } else {
      for (std::size_t j = 0; j < n; ++j) batch.count[from + j] = load<std::int16_t>(values, 2 * j);
    }
  }

  void add_dense(FrameBatch& batch, std::span<const std::byte> bytes) {
    const std::size_t from = batch.frame.size();
    batch.pixel.resize(from + pixels_);
    batch.count.resize(from + pixels_);
    std::size_t n = from;
    for (std::uint32_t p = 0; p < pixels_; ++p) {
      const auto raw = load<std::int16_t>(bytes, std::size_t{2} * p);
      batch.pixel[n] = p;
      batch.count[n] = options_.unsignedCounts ? static_cast<std::uint16_t>(raw) : raw;
      n += raw != 0 ? 1 : 0;
    }
    batch.pixel.resize(n);
    batch.count.resize(n);
    batch.frame.resize(n, static_cast<std::uint32_t>(frame_));
  }

  std::unique_ptr<ByteSource> source_;
  ByteCursor cursor_;
  ReaderOptions options_;
  std::uint64_t pixels_;
  std::uint64_t frame_ = 0;
  std::uint64_t first_ = 0;
  std::uint64_t last_ = std::numeric_limits<std::uint64_t>::max();
  bool sparse_ = true;
  std::vector<std::uint16_t>* rows_ = nullptr;  // where whole frames go, while they are asked for
};

}  // namespace

std::unique_ptr<FrameReader> open_imm(std::unique_ptr<ByteSource> source, const ReaderOptions& options) {
  return std::make_unique<ImmReader>(std::move(source), options);
}

}  // namespace xpcs
