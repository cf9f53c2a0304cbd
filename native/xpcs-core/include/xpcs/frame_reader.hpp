// What a detector format offers: a stream of frames as events. One file per format in src/formats; a reader knows
// nothing of q-maps, frame ranges or correlation.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "xpcs/byte_source.hpp"
#include "xpcs/event_columns.hpp"

namespace xpcs {

enum class Format { imm, rigaku, ufxc, hdf5, stream };
const char* format_name(Format format) noexcept;

enum class PixelOrder { row_major, column_major };

/// A run of frames. Events are in file order; pixel indices are row-major on the detector.
struct FrameBatch {
  std::vector<std::uint32_t> frame;  ///< file frame, 0-based
  std::vector<std::uint32_t> pixel;
  std::vector<std::int64_t> count;
  /// Pixels whose value says "no reading" (the largest value of the stored type): they are not among the events.
  std::vector<std::uint32_t> markedFrame;
  std::vector<std::uint32_t> markedPixel;
  /// Per frame header values, for formats that have them (frame `headerStart + i`).
  std::uint64_t headerStart = 0;
  std::vector<double> clockS;
  std::vector<double> tick;

  void clear() {
    frame.clear();
    pixel.clear();
    count.clear();
    markedFrame.clear();
    markedPixel.clear();
    clockS.clear();
    tick.clear();
  }
};

struct ReaderOptions {
  std::uint32_t height = 0;  ///< detector rows
  std::uint32_t width = 0;   ///< detector columns
  /// Height and width must be those of the file; otherwise only their product must fit (legacy job files).
  bool exactShape = false;
  bool unsignedCounts = false;  ///< IMM
  PixelOrder pixelOrder = PixelOrder::row_major;
  std::uint64_t firstFrame = 0;  ///< number that the detector gave to its first frame
  unsigned threads = 1;          ///< that read whole frames
  bool growing = false;          ///< IMM: it is being written; `look` says how far it is
};

/// A run of frames as the file stores them: fetched in order by one thread, decoded by any. Lives no longer than its reader.
class StoredFrames {
 public:
  virtual ~StoredFrames() = default;
  /// In place of what the batch held, beside other calls on other objects. Throws corrupt_data with the byte or frame.
  virtual void decode(FrameBatch& batch) = 0;
  /// Events that decode_columns can give of all parts; 0 for a format that gives batches only.
  [[nodiscard]] virtual std::uint64_t column_events() const { return 0; }
  /// Large runs are decoded to columns in parts of whole frames, one after the other: fewer events at a time stay near the processor.
  [[nodiscard]] virtual std::size_t parts() const { return 1; }
  /// One part, its events as columns and the rest into `headers`: less memory to go through than decode takes.
  /// @param part below parts(), ascending
  virtual void decode_columns(std::size_t /*part*/, FrameBatch& /*headers*/, EventColumns& /*events*/) {}
  /// After decode, on the thread that fetched: throws what is wrong where only that thread can say where. @throws corrupt_data
  virtual void check() const {}
  /// About the memory that it takes.
  [[nodiscard]] virtual std::uint64_t bytes() const = 0;
};

class FrameReader {
 public:
  virtual ~FrameReader() = default;
  /// The next few frames (bounded memory); false at the end. Throws corrupt_data with the byte or frame.
  /// @param stored null, or what an earlier call of this reader gave and is decoded: its memory is used again
  virtual bool fetch(std::unique_ptr<StoredFrames>& stored) = 0;
  /// Fetches and decodes.
  bool next(FrameBatch& batch);
  /// Only the file frames [first, last] are wanted. A reader may pass over the others, and does not look at what lies
  /// behind the last one, so that the whole part of a damaged file can be used.
  virtual void want(std::uint64_t /*first*/, std::uint64_t /*last*/) {}
  /// Of a growing file: looks how far it is now. What is not whole yet is not there for the calls after it.
  /// @param ended nothing more is written: all that is there counts @throws io_failed it became shorter
  virtual void look(bool /*ended*/) {}
  /// Of a growing file after a look: why nothing can be read yet; empty: it can.
  [[nodiscard]] virtual std::string waits() const { return ""; }
  /// The same: its writer has closed it, as far as the file tells.
  [[nodiscard]] virtual bool closed() const { return false; }
  /// The next whole frames, uint16 [frames, pixels], for readers that are dense or crowded; false at the end.
  virtual bool next_dense(FrameBatch& /*headers*/, std::vector<std::uint16_t>& /*rows*/) { return false; }
  /// Frames seen so far, or known from the file. Less than was wanted only where the file ends.
  [[nodiscard]] virtual std::uint64_t frames() const = 0;
  /// 0 to 1, for progress.
  [[nodiscard]] virtual double position() const = 0;
  /// True where the file stores every pixel of every frame (darks apply only to such data).
  [[nodiscard]] virtual bool dense() const = 0;
  /// True where so many pixels have counts that whole frames are better than events. Asked before the first frame is read.
  [[nodiscard]] virtual bool crowded() { return false; }
  /// True where the number of frames is only known from the last event.
  [[nodiscard]] virtual bool openEnded() const = 0;
  /// What a person should know about the frames read so far.
  [[nodiscard]] virtual std::vector<std::string> warnings() const { return {}; }

 private:
  std::unique_ptr<StoredFrames> stored_;  // of next
};

/// The format from the first bytes; nothing when no signature fits (UFXC has none).
std::optional<Format> detect_format(const ByteSource& source);

std::unique_ptr<FrameReader> open_imm(std::unique_ptr<ByteSource> source, const ReaderOptions& options);
std::unique_ptr<FrameReader> open_rigaku(std::unique_ptr<ByteSource> source, const ReaderOptions& options);

struct NamedSource {
  std::string name;  ///< for messages
  std::unique_ptr<ByteSource> source;
};
/// Rigaku 3M: the six module files in the order of their suffixes, as one detector of 1676 x 2100 pixels.
std::unique_ptr<FrameReader> open_rigaku_modules(std::vector<NamedSource> sources, const ReaderOptions& options);
std::unique_ptr<FrameReader> open_ufxc(std::unique_ptr<ByteSource> source, const ReaderOptions& options);
/// HDF5's own library opens files by path.
std::unique_ptr<FrameReader> open_hdf5(const std::string& path, const ReaderOptions& options);
/// One that is being written, or is complete: one dataset of frames in the file itself. Opens nothing before the first look.
std::unique_ptr<FrameReader> open_growing_hdf5(const std::string& path, const ReaderOptions& options);

}  // namespace xpcs
