// Every command of `walden`. Each function adds its command with its options.
#pragma once

#include "cli/commands/command.h"

namespace walden::cli {

void AddAppendCommand(CommandSet& commands);
void AddReadCommand(CommandSet& commands);
void AddTailCommand(CommandSet& commands);
void AddMarkDeletedCommand(CommandSet& commands);
void AddFenceCommand(CommandSet& commands);
void AddRecoverCommand(CommandSet& commands);
void AddPutCommand(CommandSet& commands);
void AddGetCommand(CommandSet& commands);
void AddScanCommand(CommandSet& commands);
void AddFlushCommand(CommandSet& commands);
void AddFinalizeCommand(CommandSet& commands);
void AddNamespacesCommand(CommandSet& commands);
void AddRegionsCommand(CommandSet& commands);
void AddDescribeCommand(CommandSet& commands);
void AddVerifyCommand(CommandSet& commands);
void AddSyncCommand(CommandSet& commands);
void AddCloseCommand(CommandSet& commands);
void AddOpenProducerCommand(CommandSet& commands);
void AddDropCommand(CommandSet& commands);
void AddStatusCommand(CommandSet& commands);
void AddInfoCommand(CommandSet& commands);
void AddStatsCommand(CommandSet& commands);
void AddHealthCommand(CommandSet& commands);
void AddInspectCommand(CommandSet& commands);
void AddAdoptCommand(CommandSet& commands);
void AddMigrateCommand(CommandSet& commands);
void AddImportCommand(CommandSet& commands);
void AddTokenCommand(CommandSet& commands);
void AddBackupCommand(CommandSet& commands);
void AddVerifyBackupCommand(CommandSet& commands);
void AddRestoreCommand(CommandSet& commands);
void AddBenchCommand(CommandSet& commands);

}  // namespace walden::cli
