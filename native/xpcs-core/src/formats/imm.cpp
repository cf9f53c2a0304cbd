// IMM: frames back to back, each a 1024-byte header and its payload, little-endian. Sparse: dlen x int32 row-major
// pixel, then dlen x int16 count. Dense: dlen x int16, value j belongs to pixel j. The first header's compression
// field decides for the whole file (docs/formats.md; layout from 8-ID's struct definition and XPCS-Eigen's reader).
#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "../event_packing.hpp"
#include "../threads.hpp"
#include "imm_header.hpp"
#include "little_endian.hpp"
#include "xpcs/error.hpp"
#include "xpcs/frame_reader.hpp"

namespace xpcs {
using imm::all_zero;
using imm::Header;
using imm::kHeaderBytes;
using imm::parse_header;
namespace {

constexpr std::size_t kPieceBytes = std::size_t{3} << 19;  // fetched at once, unless a frame is larger
constexpr std::size_t kPartEvents = std::size_t{1} << 16;   // decoded at once, or the rest of a frame more
/// Sparse frames from this size on are read by the thread that decodes them: fetching looks at their headers only.
constexpr std::size_t kOwnReadBytes = std::size_t{1} << 14;
constexpr std::size_t kDenseRows = std::size_t{1} << 23;   // counts in one batch of whole frames
constexpr std::size_t kLookFrames = 4096;                  // of a growing file, at a look

constexpr const char* kShrank = "the file shrank while it was read";

[[noreturn]] void fail(std::uint64_t frame, std::uint64_t at, const std::string& what) {
  throw Error(Code::corrupt_data, "IMM frame " + std::to_string(frame + 1) + " at byte " + std::to_string(at) + ": " + what);
}

/// Frames with their headers: the payloads as they lie in the file, or where they lie.
class ImmFrames final : public StoredFrames {
 public:
  struct Frame {
    Header header;
    std::uint64_t payload;  ///< offset in the file
  };
  ImmFrames(const ByteSource& source, const ReaderOptions& options, std::uint64_t pixels, bool sparse)
      : source_(source), options_(options), pixels_(pixels), sparse_(sparse) {}

  void decode(FrameBatch& batch) override {
    batch.headerStart = first;
    batch.clockS.clear();
    batch.tick.clear();
    std::size_t most = 0;
    for (const Frame& frame : frames) most += sparse_ ? frame.header.dlen : pixels_;
    batch.frame.resize(most);
    batch.pixel.resize(most);
    batch.count.resize(most);
    std::size_t filled = 0;
    for (std::size_t i = 0; i < frames.size(); ++i) {
      const std::size_t from = filled;
      filled += sparse_ ? add_sparse(batch, from, i) : add_dense(batch, from, i);
      std::fill(batch.frame.begin() + static_cast<std::ptrdiff_t>(from), batch.frame.begin() + static_cast<std::ptrdiff_t>(filled), static_cast<std::uint32_t>(first + i));
      batch.clockS.push_back(frames[i].header.elapsedS);
      batch.tick.push_back(frames[i].header.corecotick);
    }
    batch.frame.resize(filled);
    batch.pixel.resize(filled);
    batch.count.resize(filled);
  }
  [[nodiscard]] std::size_t parts() const override { return sparse_ ? std::max<std::size_t>(partEnds.size(), 1) : 1; }
  [[nodiscard]] std::uint64_t column_events() const override { return sparse_ ? events_ : 0; }
  void decode_columns(std::size_t part, FrameBatch& headers, EventColumns& events) override {
    const auto [begin, end] = frames_of(part);
    headers.clear();
    headers.headerStart = first + begin;
    std::size_t all = 0;
    for (std::size_t i = begin; i < end; ++i) all += frames[i].header.dlen;
    events.runs.clear();
    events.pixel.resize(all);
    events.count.resize(all);
    events.pixelEnd = static_cast<std::uint32_t>(pixels_);
    events.signedCounts = !options_.unsignedCounts;
    std::size_t filled = 0;
    for (std::size_t i = begin; i < end; ++i) {
      const std::size_t n = frames[i].header.dlen;
      read_sparse(i, std::span(events.pixel).subspan(filled, n), std::span(events.count).subspan(filled, n));
      events.runs.push_back({static_cast<std::uint32_t>(first + i), static_cast<std::uint32_t>(filled), static_cast<std::uint32_t>(n)});
      filled += n;
      headers.clockS.push_back(frames[i].header.elapsedS);
      headers.tick.push_back(frames[i].header.corecotick);
    }
  }
  [[nodiscard]] std::uint64_t bytes() const override { return fetched ? data.size() : payloadBytes; }

  /// The next frame of the run.
  void add(const Header& header, std::uint64_t payload, std::uint64_t payloadSize) {
    frames.push_back({header, payload});
    payloadBytes += payloadSize;
    partEvents_ += header.dlen;
    events_ += header.dlen;
    if (partEvents_ < kPartEvents) return;
    partEnds.push_back(frames.size());
    partEvents_ = 0;
  }
  void clear() {
    frames.clear();
    partEnds.clear();
    payloadBytes = partEvents_ = events_ = 0;
  }

  bool fetched = false;         ///< the payloads are in `data`; otherwise decode reads them
  std::vector<std::byte> data;  ///< of the file, from dataStart on
  std::uint64_t dataStart = 0;
  std::uint64_t payloadBytes = 0;  ///< of all frames
  std::uint64_t first = 0;         ///< frame
  std::vector<Frame> frames;
  std::vector<std::size_t> partEnds;  ///< index behind the last frame of each part, but for the last part

 private:
  [[nodiscard]] std::pair<std::size_t, std::size_t> frames_of(std::size_t part) const {
    return {part == 0 ? 0 : partEnds[part - 1], part + 1 < parts() ? partEnds[part] : frames.size()};
  }

  /// Bytes of the payload of frame i.
  void read(std::size_t i, std::uint64_t offset, std::span<std::byte> into) const {
    const std::uint64_t at = frames[i].payload + offset;
    if (fetched) std::memcpy(into.data(), data.data() + (at - dataStart), into.size());
    else if (source_.read(at, into) < into.size()) fail(first + i, at, kShrank);
  }

  /// The columns of frame i.
  void read_sparse(std::size_t i, std::span<std::uint32_t> pixel, std::span<std::uint16_t> count) const {
    const std::size_t n = pixel.size();
    if (n == 0) return;
    read(i, 0, std::as_writable_bytes(pixel));
    if (event_packing().range(pixel.data(), n).second >= pixels_) {
      const auto j = static_cast<std::size_t>(std::find_if(pixel.begin(), pixel.end(), [&](std::uint32_t p) { return p >= pixels_; }) - pixel.begin());
      fail(first + i, frames[i].payload + 4 * j,
           "pixel index " + std::to_string(static_cast<std::int32_t>(pixel[j])) + " is outside the detector of " + std::to_string(pixels_) + " pixels");
    }
    read(i, 4 * std::uint64_t{n}, std::as_writable_bytes(count));
  }

  std::size_t add_sparse(FrameBatch& batch, std::size_t from, std::size_t i) {
    const std::size_t n = frames[i].header.dlen;
    if (values_.size() < n) values_.resize(n);
    read_sparse(i, std::span(batch.pixel).subspan(from, n), std::span(values_).first(n));
    std::int64_t* const count = batch.count.data() + from;
    const std::uint16_t* const values = values_.data();
    if (options_.unsignedCounts) {
      for (std::size_t j = 0; j < n; ++j) count[j] = values[j];
    } else {
      for (std::size_t j = 0; j < n; ++j) count[j] = static_cast<std::int16_t>(values[j]);
    }
    return n;
  }

  std::size_t add_dense(FrameBatch& batch, std::size_t from, std::size_t i) const {
    const std::span<const std::byte> values = std::span(data).subspan(frames[i].payload - dataStart);
    std::size_t n = from;
    for (std::uint32_t p = 0; p < pixels_; ++p) {
      const auto raw = load<std::int16_t>(values, std::size_t{2} * p);
      batch.pixel[n] = p;
      batch.count[n] = options_.unsignedCounts ? static_cast<std::uint16_t>(raw) : raw;
      n += raw != 0 ? 1 : 0;
    }
    return n - from;
  }

  const ByteSource& source_;
  const ReaderOptions& options_;
  std::uint64_t pixels_;
  bool sparse_;
  std::uint64_t partEvents_ = 0;  // of the frames behind the last part end
  std::uint64_t events_ = 0;      // of all frames
  std::vector<std::uint16_t> values_;
};

class ImmReader final : public FrameReader {
 public:
  ImmReader(std::unique_ptr<ByteSource> source, const ReaderOptions& options)
      : source_(std::move(source)), options_(options), size_(source_->size()), pixels_(std::uint64_t{options.height} * options.width) {
    if (size_ == 0) throw Error(Code::corrupt_data, "the IMM file is empty (0 bytes): no frame to read");
    std::vector<std::byte> first(kHeaderBytes);
    if (source_->read(0, first) < kHeaderBytes) {
      throw Error(Code::corrupt_data, "truncated IMM file: the first frame header needs 1024 bytes, the file has " + std::to_string(size_) + "; copy the file again");
    }
    const Header header = parse_header(first);
    sparse_ = header.compression != 0;
    check_shape(header);
    size_ = options.growing ? 0 : imm::end_of_frames(*source_, pixels_, sparse_);
  }

  /// The file ends behind its last whole frame, a piece of the file at a time. A header of zeros only is space that was reserved ahead.
  void look(bool ended) override {
    const std::uint64_t now = source_->size_now();
    if (now < position_) throw Error(Code::io_failed, "the IMM file became shorter: " + std::to_string(now) + " bytes, and " + std::to_string(position_) + " were read");
    if (position_ < size_ && now >= size_) return;
    std::uint64_t newest = size_ = position_;
    std::array<std::byte, kHeaderBytes> bytes{};
    for (std::size_t i = 0; i < kLookFrames && size_ - position_ < kPieceBytes && source_->read(size_, bytes) == kHeaderBytes; ++i) {
      const Header header = parse_header(bytes);
      reserved_ = reserved_ || all_zero(bytes);
      if (all_zero(bytes)) break;
      if (!sparse_ && header.dlen != pixels_) break;  // fetching says so
      const std::uint64_t end = size_ + kHeaderBytes + imm::values_bytes(header, sparse_);
      if (end > now) break;
      newest = size_;
      size_ = end;
    }
    if (size_ > position_ && !begun(size_) && !filled(newest, size_ < now, ended)) size_ = newest;
    if (size_ > position_) return;
    if (ended) check_written(now);
    if (ended || (begun(position_) && wrong_dense(now))) size_ = now;
  }

  void want(std::uint64_t first, std::uint64_t last) override {
    first_ = first;
    last_ = last;
  }

  bool fetch(std::unique_ptr<StoredFrames>& stored) override {
    skip_to_first();
    if (stored == nullptr) stored = std::make_unique<ImmFrames>(*source_, options_, pixels_, sparse_);
    auto& piece = static_cast<ImmFrames&>(*stored);
    piece.first = frame_;
    piece.dataStart = position_;
    piece.clear();
    if (position_ == size_ || frame_ > last_) return false;
    const Header header = read_header();
    piece.fetched = !sparse_ || payload_bytes(header) < kOwnReadBytes;
    if (piece.fetched) fetch_frames(piece);
    else fetch_headers(piece, header);
    return true;
  }

  bool next_dense(FrameBatch& headers, std::vector<std::uint16_t>& rows) override {
    headers.clear();
    skip_to_first();
    headers.headerStart = frame_;
    std::vector<std::uint64_t> payloads;
    while (position_ < size_ && frame_ <= last_ && (payloads.empty() || (payloads.size() + 1) * pixels_ <= kDenseRows)) {
      const Header header = read_header();
      payloads.push_back(position_ + kHeaderBytes);
      headers.clockS.push_back(header.elapsedS);
      headers.tick.push_back(header.corecotick);
      position_ += kHeaderBytes + payload_bytes(header);
      ++frame_;
    }
    rows.resize(payloads.size() * pixels_);
    parallel_for(payloads.size(), options_.threads, [&](std::size_t i, unsigned) {
      const auto row = std::as_writable_bytes(std::span(rows).subspan(i * pixels_, pixels_));
      if (source_->read(payloads[i], row) < row.size()) fail(headers.headerStart + i, payloads[i], kShrank);
    });
    return !payloads.empty();
  }

  [[nodiscard]] std::uint64_t frames() const override { return frame_; }
  [[nodiscard]] double position() const override { return static_cast<double>(position_) / static_cast<double>(size_); }
  [[nodiscard]] bool dense() const override { return !sparse_; }
  [[nodiscard]] bool openEnded() const override { return false; }
  [[nodiscard]] std::vector<std::string> warnings() const override {
    const std::uint64_t left = options_.growing ? 0 : source_->size() - size_;
    if (left == 0) return {};
    return {"the IMM file ends with " + std::to_string(left) + " bytes that its writer reserved and did not fill: its frames are those before byte " + std::to_string(size_) +
            "; if it should have more, copy it again from its detector"};
  }

 private:
  /// A frame begins at this byte: there is more than zeros.
  [[nodiscard]] bool begun(std::uint64_t at) const {
    std::array<std::byte, kHeaderBytes> bytes{};
    return !all_zero(std::span(bytes).first(source_->read(at, bytes)));
  }

  /// The values of the newest frame, the one at this byte, are written. @param reserved only zeros lie behind it
  [[nodiscard]] bool filled(std::uint64_t at, bool reserved, bool ended) const {
    if (!sparse_) return ended || !(reserved || reserved_);  // zeros are counts like others
    std::array<std::byte, kHeaderBytes> bytes{};
    if (source_->read(at, bytes) < kHeaderBytes) return false;
    const std::uint64_t end = at + kHeaderBytes + imm::values_bytes(parse_header(bytes), sparse_);
    if (end == at + kHeaderBytes) return true;
    const std::span<std::byte> lastCount = std::span(bytes).first(sizeof(std::int16_t));
    return (source_->read(end - lastCount.size(), lastCount) == lastCount.size() && !all_zero(lastCount)) || (ended && !reserved);
  }

  /// Of a file that has ended. @throws CORRUPT_DATA what lies at the position is space that was reserved and not filled
  void check_written(std::uint64_t now) const {
    if (position_ == now) return;
    const bool header = begun(position_);
    if (header) {
      const Header frame = read_header();
      const std::uint64_t end = position_ + kHeaderBytes + imm::values_bytes(frame, sparse_);
      if ((!sparse_ && frame.dlen != pixels_) || end > now || begun(end) || filled(position_, end < now, true)) return;
    }
    fail_here(std::string(header ? "its values are not written to their end, and zeros follow" : "zeros") + ", to the end of the file at byte " + std::to_string(now) +
              ": space that was reserved and never filled; cut the file there, or copy it again from its detector");
  }

  /// The whole header at the position is not that of a dense frame: it is not waited for.
  [[nodiscard]] bool wrong_dense(std::uint64_t now) const { return !sparse_ && now - position_ >= kHeaderBytes && read_header().dlen != pixels_; }

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

  [[noreturn]] void fail_here(const std::string& what) const { fail(frame_, position_, what); }

  /// The next frames as they lie in the file.
  void fetch_frames(ImmFrames& piece) {
    load(piece.data, kPieceBytes);
    while (position_ < size_ && frame_ <= last_) {
      const auto at = static_cast<std::size_t>(position_ - piece.dataStart);
      const std::size_t have = piece.data.size() - std::min(at, piece.data.size());
      if (!piece.frames.empty() && have < kHeaderBytes) break;  // the next piece begins with it
      const Header header = parse(std::span(piece.data).subspan(std::min(at, piece.data.size())));
      const std::size_t whole = at + kHeaderBytes + payload_bytes(header);
      if (whole > piece.data.size()) {
        if (!piece.frames.empty()) break;
        load(piece.data, whole);
        if (piece.data.size() < whole) fail_here(kShrank);
      }
      add(piece, header);
    }
  }

  /// The next frames, the first of which has this header, without their payloads.
  void fetch_headers(ImmFrames& piece, Header header) {
    add(piece, header);
    while (position_ < size_ && frame_ <= last_ && piece.payloadBytes < kPieceBytes) add(piece, read_header());
  }

  /// The frame at the position, which moves on.
  void add(ImmFrames& piece, const Header& header) {
    const std::size_t bytes = payload_bytes(header);
    piece.add(header, position_ + kHeaderBytes, bytes);
    position_ += kHeaderBytes + bytes;
    ++frame_;
  }

  /// Bytes of the file from the position on, as many as there are.
  void load(std::vector<std::byte>& data, std::size_t n) const {
    data.resize(static_cast<std::size_t>(std::min<std::uint64_t>(n, size_ - position_)));
    data.resize(source_->read(position_, data));
  }

  /// The header at the position.
  [[nodiscard]] Header parse(std::span<const std::byte> bytes) const {
    if (bytes.size() < kHeaderBytes) fail_here("truncated header (the file ends " + std::to_string(kHeaderBytes - bytes.size()) + " bytes early)");
    return parse_header(bytes);
  }
  [[nodiscard]] Header read_header() const {
    std::array<std::byte, kHeaderBytes> bytes{};
    return parse(std::span(bytes).first(source_->read(position_, bytes)));
  }

  /// Of the frame at the position, all of them in the file.
  [[nodiscard]] std::size_t payload_bytes(const Header& header) const {
    if (!sparse_ && header.dlen != pixels_) {
      fail_here("a dense frame of " + std::to_string(header.dlen) + " values does not fit the q-map of " + std::to_string(pixels_) + " pixels");
    }
    const std::uint64_t payload = imm::values_bytes(header, sparse_);
    const std::uint64_t left = size_ - position_ - kHeaderBytes;
    if (payload > left) {
      fail_here("truncated: the header announces " + std::to_string(header.dlen) + " values (" + std::to_string(payload) + " bytes), " + std::to_string(left) + " bytes are left");
    }
    return static_cast<std::size_t>(payload);
  }

  void skip_to_first() {
    while (position_ < size_ && frame_ < first_) {
      position_ += kHeaderBytes + payload_bytes(read_header());
      ++frame_;
    }
  }

  std::unique_ptr<ByteSource> source_;
  ReaderOptions options_;
  std::uint64_t size_;
  std::uint64_t pixels_;
  std::uint64_t position_ = 0;  // of the header of frame_
  std::uint64_t frame_ = 0;
  std::uint64_t first_ = 0;
  std::uint64_t last_ = std::numeric_limits<std::uint64_t>::max();
  bool sparse_ = true;
  bool reserved_ = false;  ///< the file had space that was not filled
};

}  // namespace

std::unique_ptr<FrameReader> open_imm(std::unique_ptr<ByteSource> source, const ReaderOptions& options) {
  return std::make_unique<ImmReader>(std::move(source), options);
}

}  // namespace xpcs
