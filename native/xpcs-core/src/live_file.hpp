// One file whose frames go into a running measurement: complete, or as it grows. What is half written is waited for.
#pragma once
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "xpcs/frame_reader.hpp"

namespace xpcs {

/// The frames that a look at a file gave: as events, or whole.
struct LiveFrames {
  std::uint64_t frames = 0;  ///< none: nothing more is there now
  std::uint64_t first = 0;   ///< frame of the file
  FrameBatch batch;
  std::vector<std::uint16_t> rows;  ///< [frames, pixels] in place of the batch's events
  bool signedCounts = false;
};

class LiveFile {
 public:
  /// Opens nothing yet: the file need not be there. @throws unsupported a format that is not read so
  LiveFile(std::string path, Format format, const ReaderOptions& options);

  /// The next frames, at most `most` and a bounded number of bytes; they live until the next call.
  /// @param ended nothing more is written: what is there has to be whole
  /// @throws corrupt_data, invalid_argument another geometry, io_failed the file became shorter or is another one now; with its name
  const LiveFrames& next(std::uint64_t most, bool ended);

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  /// Why nothing can be read yet; empty: it can.
  [[nodiscard]] const std::string& waits() const noexcept { return waits_; }
  [[nodiscard]] bool closed() const { return reader_ != nullptr && reader_->closed(); }
  /// What a person should know about the frames so far.
  [[nodiscard]] std::vector<std::string> warnings() const;

 private:
  bool opened();
  void read(std::uint64_t most, bool ended);
  bool fetch();

  std::string path_;
  Format format_;
  ReaderOptions options_;
  std::unique_ptr<FrameReader> reader_;
  std::unique_ptr<StoredFrames> stored_;  // of the reader, used again
  dev_t device_ = 0;
  ino_t inode_ = 0;
  std::uint64_t taken_ = 0;
  bool stale_ = true;  ///< it has to be looked at before more is fetched
  bool endedSeen_ = false;
  LiveFrames frames_;
  std::string waits_;
};

}  // namespace xpcs
